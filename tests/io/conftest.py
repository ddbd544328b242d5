"""A small planted sample, and writers of the forms in which GEO holds such samples."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
import scipy.io
from scipy import sparse

if TYPE_CHECKING:
    from pathlib import Path

BASES = "ACGT"


def barcode(number: int) -> str:
    """Return the number in base four, sixteen letters long, with Cell Ranger's suffix."""
    letters = [BASES[(number >> 2 * i) & 3] for i in range(16)]
    return "".join(letters) + "-1"


@dataclass
class Planted:
    """Cells x features, and every way to write them."""

    counts: np.ndarray
    ids: list[str]
    symbols: list[str]
    types: list[str]
    barcodes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.barcodes = self.barcodes or [barcode(i) for i in range(len(self.counts))]

    def mtx(self, matrix: np.ndarray | None = None) -> bytes:
        stream = io.BytesIO()
        values = self.counts.T if matrix is None else matrix
        kind = "real" if values.dtype.kind == "f" else "integer"
        scipy.io.mmwrite(stream, sparse.coo_matrix(values), field=kind, symmetry="general")
        return stream.getvalue()

    def triplet(self, *, prefix: str = "", v3: bool = True, gz: bool = True) -> dict[str, bytes]:
        rows = zip(self.ids, self.symbols, self.types, strict=True)
        table = "".join("\t".join(row if v3 else row[:2]) + "\n" for row in rows)
        files = {
            "matrix.mtx": self.mtx(),
            "barcodes.tsv": "".join(f"{b}\n" for b in self.barcodes).encode(),
            ("features.tsv" if v3 else "genes.tsv"): table.encode(),
        }
        if gz:
            files = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files.items()}
        return {f"{prefix}{name}": data for name, data in files.items()}

    def h5(self, path: Path, *, v3: bool = True) -> Path:
        csr = sparse.csr_matrix(self.counts)
        with h5py.File(path, "w") as file:
            group = file.create_group("matrix" if v3 else "hg38")
            group["data"] = csr.data.astype(np.int32)
            group["indices"] = csr.indices.astype(np.int64)
            group["indptr"] = csr.indptr.astype(np.int64)
            group["shape"] = np.array(self.counts.T.shape, dtype=np.int32)
            group["barcodes"] = np.array(self.barcodes, dtype="S")
            if v3:
                group["features/id"] = np.array(self.ids, dtype="S")
                group["features/name"] = np.array(self.symbols, dtype="S")
                group["features/feature_type"] = np.array(self.types, dtype="S")
                group["features/genome"] = np.array(["GRCh38"] * len(self.ids), dtype="S")
            else:
                group["genes"] = np.array(self.ids, dtype="S")
                group["gene_names"] = np.array(self.symbols, dtype="S")
        return path

    def dense(self, *, genes_in_rows: bool = True, separator: str = ",") -> bytes:
        rows, columns = (
            (self.symbols, self.barcodes) if genes_in_rows else (self.barcodes, self.symbols)
        )
        values = self.counts.T if genes_in_rows else self.counts
        lines = [separator.join(["", *columns])]
        lines += [
            separator.join([name, *map(str, row)]) for name, row in zip(rows, values, strict=True)
        ]
        return ("\n".join(lines) + "\n").encode()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def tar(files: dict[str, bytes], *, gz: bool = False) -> bytes:
    """Return a tar archive as bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz" if gz else "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


class Make:
    """The writers, as one fixture."""

    Planted = Planted
    barcode = staticmethod(barcode)
    write = staticmethod(write)
    tar = staticmethod(tar)


@pytest.fixture
def make() -> type[Make]:
    return Make


@pytest.fixture
def planted() -> Planted:
    """Seven cells x six features: a symbol twice, a protein, a CAR of type Custom."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.8, size=(7, 6)).astype(np.int64)
    counts[0] = 0  # a barcode without counts
    counts[3, 1] = 300  # does not fit eight bits
    return Planted(
        counts,
        ids=["ENSG1", "ENSG2", "ENSG3", "ENSG4", "CD3_prot", "Yescarta"],
        symbols=["CD3D", "TBCE", "LYZ", "TBCE", "CD3_TotalSeq", "Yescarta"],
        types=["Gene Expression"] * 4 + ["Antibody Capture", "Custom"],
    )
