"""Write libraries and series as GEO keeps them: nested tars, a SOFT file, a list of files."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

import numpy as np

from cartscope import _keys as k
from cartscope.simulate._design import COMPARATOR, NEW, Library
from cartscope.simulate._kernel import matrix_market_lines
from cartscope.simulate._profiles import reference

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import scipy.sparse as sp

_LEVEL = 1  # text of numbers: higher levels cost minutes and save little
_ROWS = 2000  # droplets formatted at a time
_DAY = "01/01/2000 00:00:00"  # the same bytes from the same seed
_TITLES = {
    NEW: "SIMULATED: single-cell RNA-seq in the shape of GSE246490 (not real data)",
    COMPARATOR: "SIMULATED: single-cell RNA-seq in the shape of GSE197268 (not real data)",
}


def _gzip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", _LEVEL, buffer, mtime=0) as handle:
        handle.write(data)
    return buffer.getvalue()


def _matrix(counts: sp.csr_matrix) -> bytes:
    cells, genes = counts.shape
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", _LEVEL, buffer, mtime=0) as handle:
        handle.write(b"%%MatrixMarket matrix coordinate integer general\n")
        handle.write(
            b'%metadata_json: {"software_version": "cartscope simulate", "format_version": 2}\n'
        )
        handle.write(f"{genes} {cells} {counts.nnz}\n".encode())
        pointers = counts.indptr.astype(np.int64)
        for start in range(0, cells, _ROWS):
            rows = pointers[start : start + _ROWS + 1]
            handle.write(matrix_market_lines(rows, counts.indices, counts.data, start))
    return buffer.getvalue()


def features_text() -> bytes:
    """Lines of features.tsv: Ensembl id, symbol, feature type."""
    ref = reference()
    rows = zip(ref.gene_id, ref.symbol, strict=True)
    return "".join(f"{i}\t{s}\t{k.GENE_EXPRESSION}\n" for i, s in rows).encode()


def _member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    tar.addfile(info, io.BytesIO(data))


def write_library(
    path: Path, lib: Library, *, counts: sp.csr_matrix, barcodes: np.ndarray, features: bytes
) -> None:
    """Write one library as ``GSMxxx_TITLE.tar.gz``, a folder with a Cell Ranger triplet.

    Parameters
    ----------
    path
        File to write.
    lib
        Which library.
    counts
        Droplets x genes.
    barcodes
        Of the droplets.
    features
        features.tsv.gz, the same in every library.
    """
    folder = lib.sample_id
    text = "".join(f"{b}\n" for b in barcodes).encode()
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        info = tarfile.TarInfo(folder)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
        _member(tar, f"{folder}/barcodes.tsv.gz", _gzip(text))
        _member(tar, f"{folder}/features.tsv.gz", features)
        _member(tar, f"{folder}/matrix.mtx.gz", _matrix(counts))


def member_name(lib: Library) -> str:
    """Name of a library's archive inside RAW.tar."""
    return f"{lib.gsm}_{lib.sample_id}.tar.gz"


def series_folder(out: Path, accession: str) -> Path:
    """Folder of a series in NCBI's layout."""
    return out / "geo" / "series" / f"{accession[:-3]}nnn" / accession


def write_series(out: Path, accession: str, made: Iterable[tuple[Library, Path]]) -> None:
    """Pack libraries, in order, into a series: RAW.tar, filelist.txt and the SOFT family file.

    Parameters
    ----------
    out
        Folder of the study.
    accession
        Of the series.
    made
        Libraries with their archives, which are removed once they are packed.
    """
    folder = series_folder(out, accession)
    suppl, soft = folder / "suppl", folder / "soft"
    suppl.mkdir(parents=True, exist_ok=True)
    soft.mkdir(parents=True, exist_ok=True)
    raw = suppl / f"{accession}_RAW.tar"
    done: list[tuple[Library, int]] = []
    with tarfile.open(raw, "w", format=tarfile.GNU_FORMAT) as tar:
        for lib, path in made:
            info = tarfile.TarInfo(member_name(lib))
            info.size, info.mode = path.stat().st_size, 0o644
            with path.open("rb") as handle:
                tar.addfile(info, handle)
            path.unlink()
            done.append((lib, info.size))
    lines = ["#Archive/File\tName\tTime\tSize\tType"]
    lines.append(f"Archive\t{raw.name}\t{_DAY}\t{raw.stat().st_size}\tTAR")
    lines += [f"File\t{member_name(lib)}\t{_DAY}\t{size}\tTAR" for lib, size in done]
    (suppl / "filelist.txt").write_text("\n".join(lines) + "\n")
    text = soft_text(accession, [lib for lib, _ in done])
    with (
        (soft / f"{accession}_family.soft.gz").open("wb") as handle,
        gzip.GzipFile("", "wb", 6, handle, mtime=0) as packed,
    ):
        packed.write(text.encode())


def _yes(*, value: bool) -> str:
    return "yes" if value else "no"


def soft_text(accession: str, members: list[Library]) -> str:
    """Return the SOFT family file of a series; every title and sample says SIMULATED.

    Parameters
    ----------
    accession
        Of the series.
    members
        Its libraries.
    """
    lines = [
        "^DATABASE = GeoMiame",
        "!Database_name = SIMULATED, not from the Gene Expression Omnibus",
        f"^SERIES = {accession}",
        f"!Series_title = {_TITLES[accession]}",
        f"!Series_geo_accession = {accession}",
        "!Series_status = SIMULATED by cartscope",
        "!Series_summary = SIMULATED data in the layout of this series. Nothing here was measured: "
        "grades, sexes, treatment and counts were drawn by a program.",
        "!Series_type = Expression profiling by high throughput sequencing",
        *[f"!Series_sample_id = {lib.gsm}" for lib in members],
        f"!Series_supplementary_file = {accession}_RAW.tar",
        "^PLATFORM = GPL24676",
        "!Platform_title = Illumina NovaSeq 6000 (Homo sapiens)",
    ]
    for lib in members:
        p = lib.patient
        kind = "infusion product" if lib.product else "PBMC"
        day = {"infusion_product": "infusion product", "baseline": "baseline"}.get(
            lib.timepoint, "day 7"
        )
        facts = {
            "data": "SIMULATED",
            "patient": p.name.removeprefix(f"{p.study}-"),
            "tissue": kind,
            "time point": day,
            "car sorted": _yes(value=lib.sorted),
            "product": "axi-cel",
            "anakinra": _yes(value=p.anakinra),
            "Sex": p.sex,
            "loading pool": lib.pool,
            "channel": lib.channel,
            "tocilizumab before sample": _yes(value=p.tocilizumab and lib.timepoint == "day7"),
            "steroid before sample": _yes(value=p.steroid and lib.timepoint == "day7"),
        }
        lines += [
            f"^SAMPLE = {lib.gsm}",
            f"!Sample_title = {lib.title}",
            f"!Sample_geo_accession = {lib.gsm}",
            "!Sample_status = SIMULATED by cartscope",
            "!Sample_type = SRA",
            "!Sample_channel_count = 1",
            f"!Sample_source_name_ch1 = SIMULATED {kind}",
            "!Sample_organism_ch1 = Homo sapiens",
            "!Sample_taxid_ch1 = 9606",
            *[f"!Sample_characteristics_ch1 = {key}: {value}" for key, value in facts.items()],
            "!Sample_molecule_ch1 = total RNA",
            "!Sample_description = SIMULATED counts",
            "!Sample_platform_id = GPL24676",
            "!Sample_library_strategy = RNA-Seq",
            f"!Sample_supplementary_file_1 = {member_name(lib)}",
            f"!Sample_series_id = {accession}",
            "!Sample_data_row_count = 0",
        ]
    return "\n".join(lines) + "\n"
