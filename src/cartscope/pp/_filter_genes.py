from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._check import one_of, require
from cartscope._errors import InputError
from cartscope.pp._core import counts_csr

if TYPE_CHECKING:
    from anndata import AnnData


def filter_genes(
    pdata: AnnData,
    *,
    method: str = "by_expression",
    group: str | None = None,
    min_cpm: float = 10.0,
    min_rows: int = 5,
    min_count: float = 10.0,
    min_total_count: float = 15.0,
) -> pd.Series:
    """Say which genes have counts enough to be tested.

    "cpm" is the published rule: more than ``min_cpm`` in at least ``min_rows`` rows of the whole
    table, before it is split by contrast. "by_expression" follows edgeR's filterByExpr (Chen et al.
    2016, doi 10.12688/f1000research.8987.2): as many counts per million as ``min_count`` are at the
    median library size, in as many rows as the smallest group has (above ten rows, ten and 70% of
    the rest), and ``min_total_count`` overall.

    Parameters
    ----------
    pdata
        Pseudobulk rows x genes with raw counts. Left as it is.
    method
        "by_expression" or "cpm".
    group
        Column of ``obs`` with the groups to be compared; all rows are one group when None.
    min_cpm
        For "cpm": counts per million that must be exceeded.
    min_rows
        For "cpm": in how many rows.
    min_count
        For "by_expression": counts in a library of median size.
    min_total_count
        For "by_expression": counts over all rows.

    Returns
    -------
    True for genes to keep, indexed by ``var_names``: ``pdata[:, keep.to_numpy()]``.

    Raises
    ------
    InputError
        If ``pdata`` has no rows, or a row without counts.
    MissingKeyError
        If ``obs`` has no column ``group``.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> pdata = anndata.AnnData(np.array([[500, 0], [400, 1], [450, 0]]))
    >>> cs.pp.filter_genes(pdata).tolist()
    [True, False]
    """
    one_of(method, ("by_expression", "cpm"), name="method")
    counts = counts_csr(pdata)
    size = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    if size.size == 0 or (size == 0).any():
        empty = list(pdata.obs_names[size == 0]) or "no rows at all"
        msg = f"genes cannot be filtered on rows without counts: {empty}."
        raise InputError(msg)
    if method == "cpm":
        keep = rows_above(counts, size, min_cpm, strictly=True) >= min_rows
        return pd.Series(keep, index=pdata.var_names, name="keep")
    smallest = float(pdata.n_obs)
    if group is not None:
        require(pdata, "obs", group, made_by="cs.pp.pseudobulk")
        sizes = pdata.obs[group].astype(str).value_counts()
        smallest = float(sizes[sizes > 0].min())
    large, share, slack = 10.0, 0.7, 1e-14
    if smallest > large:
        smallest = large + (smallest - large) * share
    cutoff = min_count / np.median(size) * 1e6
    often = rows_above(counts, size, cutoff, strictly=False) >= smallest - slack
    total = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
    keep = often & (total >= min_total_count - slack)
    return pd.Series(keep, index=pdata.var_names, name="keep")


def rows_above(counts, size: np.ndarray, cutoff: float, *, strictly: bool) -> np.ndarray:
    """Return for each gene the number of rows with more counts per million than a cutoff.

    Parameters
    ----------
    counts
        Rows x genes, CSR.
    size
        Counts per row.
    cutoff
        Counts per million.
    strictly
        Whether the cutoff itself is not enough.
    """
    per_value = np.repeat(size, np.diff(counts.indptr))
    cpm = counts.data * (1e6 / per_value)
    above = cpm > cutoff if strictly else cpm >= cutoff
    return np.bincount(counts.indices[above], minlength=counts.shape[1])
