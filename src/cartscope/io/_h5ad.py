"""An .h5ad as one sample: its raw counts, barcodes and genes, nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.io._counts import as_counts, canonical
from cartscope.io._features import Sample, feature_table
from cartscope.io._sources import open_seekable

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.io._sources import Member

_IDS = (k.var.ensembl_id, "gene_ids", "gene_id", "ensembl", "feature_id")
_SYMBOLS = (k.var.symbol, "feature_name", "gene_symbols", "gene_symbol", "gene_name", "gene_names")
_TYPES = (k.var.feature_type, "feature_types")
_ENSEMBL = re.compile(r"^ENS[A-Z]*G\d+")
_DENSE_VALUES = 1 << 22


def read_h5ad_sample(member: Member) -> Sample:
    """Read layers["counts"], else raw.X, else X: the first that is there must be raw counts.

    Parameters
    ----------
    member
        The file.
    """
    import h5py
    from anndata.io import read_elem

    with open_seekable(member) as stored, h5py.File(stored, "r") as file:
        if "obs" not in file or "var" not in file:
            msg = f"{member.label}: is no .h5ad (it holds {sorted(file)[:6]}); check the file."
            raise InputError(msg)
        where = _counts_in(file, member.label)
        var = read_elem(file["raw/var" if where == "raw/X" else "var"])
        barcodes = [str(name) for name in read_elem(file["obs"]).index]
        node = file[where]
        counts = _blocks(node, member.label) if isinstance(node, h5py.Dataset) else read_elem(node)
        if counts.shape != (len(barcodes), len(var)):
            msg = (
                f"{member.label}: {where} is {counts.shape[0]} x {counts.shape[1]}, but obs and "
                f"var have {len(barcodes)} and {len(var)} rows; write the file again."
            )
            raise InputError(msg)
        counts = canonical(counts, label=f"{member.label} ({where})")
    return Sample(counts, barcodes, _features(var), member.label, "h5ad")


def _counts_in(file: Any, label: str) -> str:
    for where in (f"layers/{k.layers.counts}", "raw/X", "X"):
        if where in file:
            return where
    msg = f"{label}: has neither layers['{k.layers.counts}'], raw.X nor X; give raw counts in one."
    raise InputError(msg)


def _blocks(dataset: Any, label: str) -> sparse.csr_matrix:
    # a dense X is read a few rows at a time, so that it never stands in memory as a whole
    rows = max(1, _DENSE_VALUES // max(1, dataset.shape[1]))
    parts = []
    for start in range(0, dataset.shape[0], rows):
        block = dataset[start : start + rows]
        as_counts(block.ravel(), label=label)
        parts.append(sparse.csr_matrix(block))
    return sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix(dataset.shape)


def _features(var: pd.DataFrame) -> pd.DataFrame:
    index = var.index.astype(str).to_numpy(dtype=object)
    ids, symbols = _first(var, _IDS), _first(var, _SYMBOLS)
    if symbols is None and ids is None:
        return feature_table(index, index, types=_first(var, _TYPES))
    if ids is None:
        looks_like_id = np.mean([bool(_ENSEMBL.match(name)) for name in index]) > 0.5  # noqa: PLR2004
        ids = index if looks_like_id else None
    if symbols is None:
        symbols = index
    return feature_table(symbols if ids is None else ids, symbols, types=_first(var, _TYPES))


def _first(var: pd.DataFrame, names: tuple[str, ...]) -> Any:
    for name in names:
        if name in var:
            return var[name].astype(str).to_numpy(dtype=object)
    return None
