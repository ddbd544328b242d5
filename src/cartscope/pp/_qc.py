from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.pp import _kernels
from cartscope.pp._core import counts_csr, group_codes, match_genes, record, target

if TYPE_CHECKING:
    from anndata import AnnData

FEW_GENES = "few genes"
HIGH_MITO = "high mitochondrial share"
HIGH_HBB = "high haemoglobin"
LOW_OUTLIER = "low outlier of its sample"
HIGH_OUTLIER = "high outlier of its sample"
PASSED = "passed"
_MAD_TO_SD = 1.4826  # makes the median absolute deviation a standard deviation under normality
_HBB = "HBB"


def outlier_limits(
    values: np.ndarray, codes: np.ndarray, *, n_groups: int, mad: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper limit of every group: median minus and plus ``mad`` deviations.

    Parameters
    ----------
    values
        One value per cell.
    codes
        Group of every cell, in ``range(n_groups)``.
    n_groups
        Number of groups.
    mad
        Scaled median absolute deviations (1.4826 x MAD) allowed on either side.

    Returns
    -------
    Two arrays of shape (groups,), in the unit of ``values``.
    """
    low, high = np.full(n_groups, -np.inf), np.full(n_groups, np.inf)
    for group in range(n_groups):
        own = values[codes == group]
        if own.size:
            center = np.median(own)
            spread = _MAD_TO_SD * np.median(np.abs(own - center))
            low[group], high[group] = center - mad * spread, center + mad * spread
    return low, high


def qc(
    adata: AnnData,
    *,
    sample_key: str = k.obs.sample,
    min_genes: int = 200,
    max_pct_mito: float = 15.0,
    max_hbb: float = 5.0,
    mad: float | None = None,
    mito_pattern: str = "MT-.*",
    copy: bool = False,
) -> AnnData | None:
    """Measure every cell in one pass over the counts and say which ones pass, and why not.

    No cell is removed. A cell can fail for several reasons; all of them are kept.

    Parameters
    ----------
    adata
        Cells x genes with raw counts in ``layers["counts"]``, else in ``X``.
    sample_key
        Column of ``obs`` with the library; used when ``mad`` is given.
    min_genes
        Cells with fewer genes fail.
    max_pct_mito
        Cells with a mitochondrial share of this percentage or more fail.
    max_hbb
        Cells whose log1p of HBB counts per 10,000 is above this fail (red cells).
    mad
        Cells that lie more than this many scaled median absolute deviations from the median of
        their sample fail too; None or 0 for the fixed limits alone. Judged are log1p of total
        counts and of genes on either side, the mitochondrial share above. The mitochondrial limit
        is never set below 5 percent: a library with next to none has a deviation near 0.
    mito_pattern
        Regular expression that a mitochondrial gene's whole symbol matches, in any case.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``obs``: ``total_counts`` (UMI), ``n_genes_by_counts``,
    ``pct_counts_mt`` (percent), ``hbb_log1p``, ``qc_pass`` (bool), ``qc_reason`` (category;
    "passed", or reasons separated by "; "), and ``var["n_cells_by_counts"]``.

    Raises
    ------
    InputError
        If the counts are negative or fractional, or a limit is impossible.
    MissingKeyError
        If ``mad`` is given and ``obs`` has no column ``sample_key``.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(np.array([[3, 1, 1], [1, 0, 4]]))
    >>> adata.var_names = ["CD3D", "LYZ", "MT-CO1"]
    >>> cs.pp.qc(adata, min_genes=2, max_pct_mito=50)
    >>> list(adata.obs["qc_reason"])
    ['passed', 'high mitochondrial share']
    """
    if min_genes < 0 or max_pct_mito <= 0 or (mad is not None and mad < 0):
        msg = (
            f"QC limits must be above 0 (min_genes and mad may be 0), but are "
            f"min_genes={min_genes}, max_pct_mito={max_pct_mito}, mad={mad}."
        )
        raise InputError(msg)
    adata = target(adata, copy=copy)
    counts = counts_csr(adata)
    names = [str(name).upper() for name in adata.var_names]
    special = np.zeros(adata.n_vars, dtype=np.uint8)
    special[match_genes(names, [mito_pattern.upper()])] = 1
    special[[name == _HBB for name in names]] = 2
    total, n_genes, mito, hbb, per_gene = _kernels.row_stats(
        counts.data, counts.indices, counts.indptr, special
    )
    some = np.maximum(total, 1)
    obs = adata.obs
    obs[k.obs.total_counts] = total
    obs[k.obs.n_genes] = n_genes
    obs[k.obs.pct_mito] = 100.0 * mito / some
    obs[k.obs.hbb] = np.log1p(1e4 * hbb / some)
    adata.var[k.var.n_cells] = per_gene

    failed = {
        FEW_GENES: n_genes < min_genes,
        HIGH_MITO: obs[k.obs.pct_mito].to_numpy() >= max_pct_mito,
        HIGH_HBB: obs[k.obs.hbb].to_numpy() > max_hbb,
    }
    if mad:
        failed |= _adaptive(adata, sample_key=sample_key, mad=mad)
    obs[k.obs.qc_pass] = ~np.logical_or.reduce(list(failed.values()))
    obs[k.obs.qc_reason] = _reasons(failed)
    parameters = {"min_genes": min_genes, "max_pct_mito": max_pct_mito, "max_hbb": max_hbb}
    record(adata, "qc", parameters | {"mad": mad, "mito_pattern": mito_pattern})
    return adata if copy else None


def _adaptive(adata: AnnData, *, sample_key: str, mad: float) -> dict[str, np.ndarray]:
    codes, names = group_codes(adata, sample_key)
    low_outlier = np.zeros(adata.n_obs, dtype=bool)
    high_outlier = np.zeros(adata.n_obs, dtype=bool)
    for column in (k.obs.total_counts, k.obs.n_genes):
        values = np.log1p(adata.obs[column].to_numpy())
        low, high = outlier_limits(values, codes, n_groups=len(names), mad=mad)
        low_outlier |= values < low[codes]
        high_outlier |= values > high[codes]
    share = adata.obs[k.obs.pct_mito].to_numpy()
    _, high = outlier_limits(share, codes, n_groups=len(names), mad=mad)
    least = 5.0  # percent: without a floor, a library with hardly any would lose healthy cells
    high_mito = share > np.maximum(high, least)[codes]
    return {
        LOW_OUTLIER: low_outlier,
        HIGH_OUTLIER: high_outlier,
        "mitochondrial outlier of its sample": high_mito,
    }


def _reasons(failed: dict[str, np.ndarray]) -> pd.Categorical:
    key = np.zeros(len(next(iter(failed.values()))), dtype=np.int64)
    for bit, mask in enumerate(failed.values()):
        key += mask.astype(np.int64) << bit
    present, codes = np.unique(key, return_inverse=True)
    names = [
        "; ".join(name for bit, name in enumerate(failed) if value >> bit & 1) or PASSED
        for value in present
    ]
    return pd.Categorical.from_codes(codes, categories=names)
