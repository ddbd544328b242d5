from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope.pp import _kernels
from cartscope.pp._core import counts_csr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from scipy import sparse


# measured cell by cell: constant within groups only by chance
_CELL_COLUMNS = frozenset(
    {
        k.obs.n_cells,
        k.obs.total_counts,
        k.obs.n_genes,
        k.obs.pct_mito,
        k.obs.hbb,
        k.obs.qc_pass,
        k.obs.qc_reason,
        k.obs.doublet_score,
        k.obs.predicted_doublet,
        k.obs.car_counts,
    }
)


def sum_by_group(counts: sparse.csr_matrix, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum rows that share a code, in one pass.

    Parameters
    ----------
    counts
        Cells x genes.
    codes
        Group of every cell, shape (cells,), in ``range(n_groups)``; below 0 for cells in none.
    n_groups
        Number of groups.

    Returns
    -------
    Integers of shape (groups, genes).
    """
    out = np.zeros((n_groups, counts.shape[1]), dtype=np.int64)
    _kernels.sums_by_group(
        counts.data, counts.indices, counts.indptr, np.asarray(codes, dtype=np.int64), out
    )
    return out


def pseudobulk(adata: AnnData, *, by: Sequence[str], min_cells: int = 10) -> AnnData:
    """Sum raw counts over the cells of every group.

    Parameters
    ----------
    adata
        Cells x genes with raw counts in ``layers["counts"]``, else in ``X``. Left as it is.
    by
        Columns of ``obs`` that together define a group. A cell without a value in one of them is in
        no group.
    min_cells
        Groups with fewer cells are dropped, and listed in ``uns["cartscope"]["pseudobulk"]``.

    Returns
    -------
    Groups x genes, sorted by the columns of ``by``. ``X`` and ``layers["counts"]`` hold the same
    summed counts (int64); ``obs`` the ``by`` columns, ``n_cells`` and every column of ``adata.obs``
    that is constant within each group kept
    (a cell's own measurements, such as ``total_counts``, are left out); ``var`` that of ``adata``.

    Raises
    ------
    MissingKeyError
        If a column of ``by`` is absent.
    InputError
        If the counts are negative or fractional, or ``by`` is empty.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(np.array([[1, 2], [3, 0], [5, 5]]))
    >>> adata.obs["patient"] = ["p1", "p1", "p2"]
    >>> pdata = cs.pp.pseudobulk(adata, by=["patient"], min_cells=2)
    >>> pdata.X.tolist(), pdata.obs["n_cells"].tolist()
    ([[4, 2]], [2])
    """
    from anndata import AnnData

    by = [by] if isinstance(by, str) else list(by)
    if not by:
        msg = "by is empty; name the columns of adata.obs that define a group."
        raise InputError(msg)
    for column in by:
        require(adata, "obs", column, made_by="cs.io.read_cohort or the step that makes it")
    counts = counts_csr(adata)
    groups = adata.obs.groupby(by, observed=True, sort=True, dropna=True)
    codes = groups.ngroup().fillna(-1).to_numpy(dtype=np.int64)  # missing: in no group
    obs = groups.size().rename(k.obs.n_cells).reset_index()
    keep = obs[k.obs.n_cells].to_numpy() >= min_cells
    renumbered = np.where(keep, np.cumsum(keep) - 1, -1)
    codes = np.where(codes >= 0, renumbered[codes], -1) if len(obs) else codes

    dropped, obs = obs[~keep], obs[keep].reset_index(drop=True)
    summed = sum_by_group(counts, codes, len(obs))
    obs = _with_constant_columns(adata.obs, obs, codes=codes, by=by)
    obs.index = pd.Index(["|".join(map(str, row)) for row in obs[by].to_numpy()], dtype=object)
    out = AnnData(X=summed, obs=obs, var=adata.var.copy(), layers={k.layers.counts: summed.copy()})
    ledger = [
        f"{'|'.join(str(row[c]) for c in by)}: {row[k.obs.n_cells]} cells, below {min_cells}"
        for _, row in dropped.iterrows()
    ]
    ours = dict(adata.uns.get(k.uns.cartscope, {}))
    entry = {"by": by, "min_cells": int(min_cells), "dropped": ledger}
    out.uns[k.uns.cartscope] = {
        name: ours[name] for name in (k.uns.simulated, k.uns.car_features) if name in ours
    } | {"pseudobulk": entry}
    return out


def _with_constant_columns(
    cells: pd.DataFrame, obs: pd.DataFrame, *, codes: np.ndarray, by: list[str]
) -> pd.DataFrame:
    """Add the cells' columns that have one value in every group."""
    inside = codes >= 0
    first = np.full(len(obs), -1, dtype=np.int64)
    where = np.flatnonzero(inside)
    first[codes[where][::-1]] = where[::-1]
    for column in cells.columns:
        if column in by or column in _CELL_COLUMNS:
            continue
        values = cells[column]
        as_codes = pd.factorize(values, use_na_sentinel=True)[0].astype(np.int64)
        if np.array_equal(as_codes[inside], as_codes[first][codes[inside]]):
            taken = values.iloc[first].reset_index(drop=True)
            if isinstance(taken.dtype, pd.CategoricalDtype):
                taken = taken.cat.remove_unused_categories()
            obs[column] = taken
    for column in by:
        if isinstance(obs[column].dtype, pd.CategoricalDtype):
            obs[column] = obs[column].cat.remove_unused_categories()
    return obs
