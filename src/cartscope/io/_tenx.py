"""Cell Ranger's own formats: matrix.mtx triplets (v2, v3) and .h5 (v2, v3)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from cartscope._errors import InputError
from cartscope.io._counts import canonical
from cartscope.io._features import Sample, feature_table
from cartscope.io._sources import open_plain, open_seekable, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from cartscope.io._sources import Member

_PADDED = ('"', " \t", "\t ", " \n", "\n ", " \r")
_TYPE_COLUMN = 2  # features.tsv: id, symbol, type; genes.tsv has no type
_V2 = {"data", "indices", "indptr", "barcodes", "genes", "gene_names", "shape"}


@contextmanager
def parser_threads(n_jobs: int) -> Iterator[None]:
    """Bound the threads of SciPy's MatrixMarket parser, which takes every core by default.

    Parameters
    ----------
    n_jobs
        Threads, 1 or more.
    """
    import scipy.io  # noqa: F401  (threadpoolctl knows the parser only once it is loaded)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=max(1, n_jobs), user_api="scipy"):
        yield


def read_triplet(files: Mapping[str, Member]) -> Sample:
    """Read matrix.mtx with its barcodes and features (or genes).

    Parameters
    ----------
    files
        Members by role: matrix, barcodes, features.
    """
    matrix = files["matrix"]
    for role, names in (("barcodes", "barcodes.tsv"), ("features", "features.tsv or genes.tsv")):
        if role not in files:
            msg = f"{matrix.label}: {names} is missing beside it (same prefix, gzipped or not)."
            raise InputError(msg)
    barcodes, columns = _columns(files["barcodes"])[0], _columns(files["features"])
    features = _triplet_features(columns)
    coo = _read_mtx(matrix)
    if coo.shape != (len(features), len(barcodes)):
        wanted = f"{len(features)} features ({files['features'].base})"
        wanted += f" x {len(barcodes)} barcodes ({files['barcodes'].base})"
        hint = "the three files must come from one run"
        if coo.shape == (len(barcodes), len(features)):
            hint = "the matrix is transposed: write it features x barcodes"
        elif coo.shape[1] == len(barcodes) - 1 or coo.shape[0] == len(features) - 1:
            hint = "one line too many: is there a header line to take out"
        msg = f"{matrix.label}: is {coo.shape[0]} x {coo.shape[1]}, but expected {wanted}; {hint}."
        raise InputError(msg)
    counts = canonical(coo.T, label=matrix.label)
    form = "mtx v3" if len(columns) > _TYPE_COLUMN else "mtx v2"
    return Sample(counts, barcodes, features, matrix.label, form)


def _read_mtx(member: Member) -> sparse.coo_matrix:
    from scipy.io import mmread

    with open_plain(member) as stream:
        head = bytes(stream.peek(64)[:64])
        if not head.startswith(b"%%MatrixMarket"):
            msg = f"{member.label}: is no MatrixMarket file (it begins {head[:20]!r}); check it."
            raise InputError(msg)
        if b"coordinate" not in head or b"pattern" in head or b"complex" in head:
            msg = f"{member.label}: must be a coordinate matrix of counts, but begins {head!r}."
            raise InputError(msg)
        with reading(member.label):
            return sparse.coo_matrix(mmread(stream))


def _columns(member: Member) -> list[list[str]]:
    # split by hand: pandas takes ten times as long for 36,601 short lines, once per sample
    with open_plain(member) as stream:
        text = stream.read().decode("utf-8-sig")
    lines = [line for line in text.splitlines() if line and not line.isspace()]
    tabs = [line.count("\t") for line in lines]
    width = min(tabs, default=0) + 1
    if lines and width <= tabs[0]:
        number = tabs.index(width - 1) + 1
        msg = f"{member.label}, line {number}: has {width} column(s) where others have more."
        raise InputError(msg)
    if lines and max(tabs) >= width:
        lines = ["\t".join(line.split("\t")[:width]) for line in lines]
    fields = "\t".join(lines).split("\t")
    if text[:1] == " " or any(mark in text for mark in _PADDED):
        fields = [field.strip().strip('"') for field in fields]
    return [fields[i::width] for i in range(width)]


def _triplet_features(columns: list[list[str]]) -> pd.DataFrame:
    ids, *rest = columns
    symbols = rest[0] if rest else ids
    return feature_table(ids, symbols, types=rest[1] if len(columns) > _TYPE_COLUMN else None)


def read_h5(member: Member, *, genome: str | None = None) -> Sample:
    """Read a Cell Ranger .h5, version 2 (a group per genome) or 3 (``matrix``).

    Parameters
    ----------
    member
        The file.
    genome
        Which genome to read from a file that holds several.
    """
    import h5py

    with open_seekable(member) as stored, h5py.File(stored, "r") as file:
        if isinstance(file.get("matrix"), h5py.Group):
            return _read_v3(file["matrix"], member.label, genome)
        groups = [
            name
            for name in sorted(file)
            if isinstance(file[name], h5py.Group) and set(file[name]) >= _V2
        ]
        if not groups:
            msg = (
                f"{member.label}: is no Cell Ranger .h5 (it holds {sorted(file)[:6]}); "
                "give filtered_feature_bc_matrix.h5."
            )
            raise InputError(msg)
        if genome is None and len(groups) > 1:
            msg = f"{member.label}: holds the genomes {groups}; choose one by genome=."
            raise InputError(msg)
        name = groups[0] if genome is None else genome
        if name not in groups:
            msg = f"{member.label}: has no genome {genome!r}; it holds {groups}."
            raise InputError(msg)
        group = file[name]
        ids, symbols = _text(group["genes"]), _text(group["gene_names"])
        features = feature_table(ids, symbols, genomes=[name] * len(ids))
        return _from_h5(group, features, label=member.label, form="h5 v2")


def _read_v3(group: Any, label: str, genome: str | None) -> Sample:
    part = group["features"]
    genomes = _text(part["genome"]) if "genome" in part else None
    types = _text(part["feature_type"]) if "feature_type" in part else None
    features = feature_table(_text(part["id"]), _text(part["name"]), types=types, genomes=genomes)
    sample = _from_h5(group, features, label=label, form="h5 v3")
    if genome is None:
        return sample
    keep = np.flatnonzero((features["genome"] == genome).to_numpy())
    if not keep.size:
        have = sorted(set(features["genome"]))
        msg = f"{label}: has no genome {genome!r}; it holds {have}."
        raise InputError(msg)
    kept = features.iloc[keep].reset_index(drop=True)
    return Sample(sample.counts[:, keep], sample.barcodes, kept, label, sample.form)


def _from_h5(group: Any, features: pd.DataFrame, *, label: str, form: str) -> Sample:
    barcodes = _text(group["barcodes"])
    data, indptr = group["data"][...], group["indptr"][...]
    indices = group["indices"].astype(np.int32)[...]
    shape = tuple(int(n) for n in group["shape"][...])
    if shape != (len(features), len(barcodes)) or indptr.size != len(barcodes) + 1:
        msg = (
            f"{label}: is {shape[0]} x {shape[1]} by its shape, but has {len(features)} features "
            f"and {len(barcodes)} barcodes; write the file again."
        )
        raise InputError(msg)
    steps_back = bool((np.diff(indptr) < 0).any())
    if steps_back or indptr[-1] != data.size or data.size != indices.size:
        msg = f"{label}: its index pointers do not fit its {data.size} values; fetch it again."
        raise InputError(msg)
    if indices.size and not 0 <= indices.min() <= indices.max() < len(features):
        msg = f"{label}: names a feature beyond its {len(features)}; fetch it again."
        raise InputError(msg)
    # stored cell by cell, so that the columns of features x cells are the rows wanted here
    csr = sparse.csr_matrix((data, indices, indptr), shape=(len(barcodes), len(features)))
    return Sample(canonical(csr, label=label), barcodes, features, label, form)


def _text(dataset: Any) -> list[str]:
    return [
        value.decode("utf-8") if isinstance(value, bytes) else str(value)
        for value in dataset[...].tolist()
    ]
