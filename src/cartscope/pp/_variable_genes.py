from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.pp import _kernels
from cartscope.pp._core import (
    blocks,
    expression_csr,
    group_codes,
    match_genes,
    ordered_map,
    record,
    target,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from scipy import sparse

_BINS = 20
_TINY_MEAN = 1e-12
_BLOCK = 32_768


def group_moments(
    x: sparse.csr_matrix, codes: np.ndarray, n_groups: int, *, n_jobs: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, variance and number of cells above 0 of expm1(x), per group and gene.

    Parameters
    ----------
    x
        Cells x genes, log1p of normalized counts.
    codes
        Group of every cell, in ``range(n_groups)``.
    n_groups
        Number of groups.
    n_jobs
        Threads; the sums run over fixed blocks in order, so the result does not depend on it.

    Returns
    -------
    Three arrays of shape (groups, genes); the variance has n - 1 in its denominator.
    """
    shape = (n_groups, x.shape[1])

    def one(block: tuple[int, int]) -> tuple[int, list[np.ndarray]]:
        start, stop = block
        own = codes[start:stop]
        low, high = own.min(), own.max() + 1
        out = [np.zeros((high - low, shape[1])) for _ in range(3)]
        _kernels.moments_by_group(x.data, x.indices, x.indptr[start : stop + 1], own - low, *out)
        return low, out

    totals = [np.zeros(shape) for _ in range(3)]
    for low, parts in ordered_map(one, blocks(x.shape[0], _BLOCK), n_jobs=n_jobs):
        for total, part in zip(totals, parts, strict=True):
            total[low : low + part.shape[0]] += part
    n = np.bincount(codes, minlength=n_groups).astype(float)[:, None]
    mean = totals[0] / np.maximum(n, 1)
    variance = np.maximum(totals[1] - n * mean**2, 0) / np.maximum(n - 1, 1)
    return mean, variance, totals[2]


def dispersions(mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log1p of the means and the dispersions, standardized within bins of similar means.

    Parameters
    ----------
    mean
        Mean of normalized counts per gene.
    variance
        Variance of normalized counts per gene.

    Returns
    -------
    log1p(mean), and the z-score of log(variance / mean) among the genes of one of 20 bins of
    log1p(mean) (Satija et al. 2015, doi 10.1038/nbt.3192). A gene alone in its bin gets 1.
    """
    mean = np.where(mean == 0, _TINY_MEAN, mean)
    ratio = variance / mean
    log_ratio = np.full(mean.shape, np.nan)
    np.log(ratio, out=log_ratio, where=ratio > 0)
    log_mean = np.log1p(mean)
    table = pd.DataFrame({"value": log_ratio, "bin": pd.cut(log_mean, bins=_BINS, labels=False)})
    by_bin = table.groupby("bin")["value"]
    center, spread = by_bin.transform("mean"), by_bin.transform("std")
    alone = spread.isna()
    spread = spread.where(~alone, center)
    center = center.where(~alone, 0.0)
    return log_mean, ((table["value"] - center) / spread).to_numpy()


def variable_genes(
    adata: AnnData,
    *,
    n_top: int = 2000,
    batch_key: str | None = k.obs.sample,
    exclude: Sequence[str] = (),
    method: str = "seurat",
    limits: tuple[float, float, float] = (0.01, 3.0, 0.2),
    n_jobs: int = 1,
    copy: bool = False,
) -> AnnData | None:
    """Mark the genes that vary within samples, in one pass over the matrix.

    Genes are ranked by the number of samples in which they are among the ``n_top``, then by their
    mean standardized dispersion: scanpy's ``flavor="seurat"`` with a ``batch_key``.

    Parameters
    ----------
    adata
        Cells x genes after :func:`normalize`.
    n_top
        Genes to mark; not used by the method "published".
    batch_key
        Column of ``obs`` with the library; None takes all cells together.
    exclude
        Symbols, or regular expressions that match a whole symbol, of genes that must not shape the
        embedding: sex genes, CAR transcripts, TCR and BCR variable genes. They are left out
        before anything is ranked.
    method
        "seurat" ranks and marks ``n_top``; "published" marks every gene within ``limits``.
    limits
        (lowest mean, highest mean, lowest dispersion), for "published": the mean is log1p of the
        mean normalized count, the dispersion standardized, both averaged over samples.
    n_jobs
        Threads.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``var``: ``highly_variable`` (bool), ``means`` (log1p of normalized
    counts), ``dispersions_norm``, ``highly_variable_nbatches`` (samples) and
    ``clustering_excluded`` (bool); ``uns["hvg"]`` as scanpy does.

    Raises
    ------
    InputError
        If ``X`` is not log-normalized, or too few genes are left.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> counts = np.random.default_rng(0).poisson(1.0, (60, 40))
    >>> adata = anndata.AnnData(counts)
    >>> cs.pp.normalize(adata)
    >>> cs.pp.variable_genes(adata, n_top=10, batch_key=None)
    >>> int(adata.var["highly_variable"].sum())
    10
    """
    adata = target(adata, copy=copy)
    x = expression_csr(adata)
    if x.dtype.kind != "f":
        msg = "adata.X holds integers; run cs.pp.normalize first."
        raise InputError(msg)
    codes, names = group_codes(adata, batch_key)
    excluded = match_genes(list(adata.var_names), exclude)
    mean, variance, present = group_moments(x, codes, len(names), n_jobs=n_jobs)
    usable = ~excluded
    one_of(method, ("seurat", "published"), name="method")
    ranked = method == "seurat"
    if ranked and n_top > usable.sum():
        msg = f"n_top is {n_top}, but only {int(usable.sum())} genes are not excluded."
        raise InputError(msg)

    means = np.zeros(mean.shape)
    norm = np.zeros(mean.shape)
    chosen = np.zeros(mean.shape, dtype=bool)
    enough = np.bincount(codes, minlength=len(names)) > 1  # no variance from one cell
    for group in np.flatnonzero(enough):
        tested = usable & (present[group] > 0) if batch_key is not None else usable
        means[group, tested], norm[group, tested] = dispersions(
            mean[group, tested], variance[group, tested]
        )
        if ranked:
            chosen[group, tested] = _top(norm[group, tested], n_top)
    n_batches = chosen.sum(axis=0)
    defined = ~np.isnan(norm[enough])
    overall = np.where(defined, norm[enough], 0).sum(axis=0)
    some = defined.any(axis=0)
    overall = np.divide(overall, defined.sum(axis=0), out=np.full(some.shape, np.nan), where=some)
    mean_of_means = means[enough].mean(axis=0)
    if ranked:
        # ties go by the symbol, so that the order of the columns does not matter
        symbols = np.asarray(adata.var_names, dtype=str)
        high = -np.nan_to_num(overall, nan=-np.inf)
        marked = np.zeros(adata.n_vars, dtype=bool)
        marked[np.lexsort((symbols, high, -n_batches, excluded))[:n_top]] = True
    else:
        inside = (mean_of_means > limits[0]) & (mean_of_means < limits[1])
        marked = usable & inside & (np.nan_to_num(overall) > limits[2])
    adata.var[k.var.highly_variable] = marked
    adata.var[k.var.means] = mean_of_means
    adata.var[k.var.dispersions_norm] = overall
    adata.var[k.var.n_batches] = n_batches
    adata.var[k.var.clustering_excluded] = excluded
    adata.uns[k.uns.hvg] = {"flavor": "seurat"}
    parameters = {"n_top": n_top} if ranked else {"limits": [float(v) for v in limits]}
    parameters["method"] = method
    record(adata, "variable_genes", parameters | {"batch_key": batch_key, "exclude": list(exclude)})
    return adata if copy else None


def _top(values: np.ndarray, n: int) -> np.ndarray:
    """Return which values reach the n-th highest."""
    known = np.sort(values[~np.isnan(values)])[::-1]
    if known.size == 0:
        return np.zeros(values.shape, dtype=bool)
    return np.nan_to_num(values, nan=-np.inf) >= known[min(n, known.size) - 1]
