from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope.pp import _kernels
from cartscope.pp._core import blocks, expression_csr, ordered_map, record, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from scipy import sparse

_CONSTANT = 1e-6  # standard deviation of a gene that is constant up to rounding
_BLOCK = 4096  # rows of a dense block: 33 MB at 2,000 genes


@dataclass(frozen=True)
class Principal:
    """Result of a principal component analysis."""

    scores: np.ndarray  # cells x components, float32
    loadings: np.ndarray  # genes x components
    variance: np.ndarray  # per component
    variance_ratio: np.ndarray  # per component, 0-1


def residual_pca(
    x: sparse.csr_matrix,
    genes: np.ndarray,
    design: np.ndarray,
    *,
    n_comps: int,
    scale_max: float | None,
    n_jobs: int = 1,
) -> Principal:
    """Return the principal components of scaled residuals without a dense cells x genes matrix.

    Parameters
    ----------
    x
        Cells x all genes.
    genes
        Columns to use.
    design
        Cells x regressors, the first column being 1; residuals of a linear fit on it are used.
    n_comps
        Components.
    scale_max
        Residuals are divided by their standard deviation and cut at plus and minus this; None
        leaves them as they are.
    n_jobs
        Threads over fixed blocks of rows, summed in order.

    Returns
    -------
    The components. The loading of largest size is positive in each.
    """
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    n_cells, n_genes = x.shape[0], genes.size
    column = np.full(x.shape[1], -1, dtype=np.int64)
    column[genes] = np.arange(n_genes)
    with threadpool_limits(limits=1):
        squares, cross = np.zeros(n_genes), np.zeros((design.shape[1], n_genes))
        _kernels.cross_products(x.data, x.indices, x.indptr, column, design, squares, cross)
        coefficients = np.linalg.lstsq(design.T @ design, cross, rcond=None)[0]
        variance = np.maximum(squares - (coefficients * cross).sum(axis=0), 0) / (n_cells - 1)
        deviation = np.sqrt(variance)
        deviation[deviation < _CONSTANT] = 1.0
        if scale_max is None:
            deviation[:] = 1.0
        fitted = (coefficients / deviation).astype(np.float32)
        inverse = (1 / deviation).astype(np.float32)

        def scaled(block: tuple[int, int]) -> np.ndarray:
            start, stop = block
            dense = np.zeros((stop - start, n_genes), dtype=np.float32)
            _kernels.fill_dense(x.data, x.indices, x.indptr[start : stop + 1], column, dense)
            dense *= inverse
            dense -= design[start:stop].astype(np.float32) @ fitted
            if scale_max is not None:
                np.clip(dense, -scale_max, scale_max, out=dense)
            return dense

        def products(block: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
            dense = scaled(block)
            return dense.sum(axis=0, dtype=np.float64), (dense.T @ dense).astype(np.float64)

        total, gram = np.zeros(n_genes), np.zeros((n_genes, n_genes))
        for part_total, part_gram in ordered_map(products, blocks(n_cells, _BLOCK), n_jobs=n_jobs):
            total += part_total
            gram += part_gram
        mean = total / n_cells
        covariance = (gram - n_cells * np.outer(mean, mean)) / (n_cells - 1)
        values, vectors = eigh(covariance, subset_by_index=(n_genes - n_comps, n_genes - 1))
        values, vectors = values[::-1], vectors[:, ::-1]
        largest = np.abs(vectors).argmax(axis=0)
        vectors = vectors * np.sign(vectors[largest, np.arange(n_comps)])

        single = vectors.astype(np.float32)
        offset = mean @ vectors

        def project(block: tuple[int, int]) -> np.ndarray:
            return scaled(block) @ single - offset

        scores = np.empty((n_cells, n_comps), dtype=np.float32)
        parts = ordered_map(project, blocks(n_cells, _BLOCK), n_jobs=n_jobs)
        for (start, stop), part in zip(blocks(n_cells, _BLOCK), parts, strict=True):
            scores[start:stop] = part
    return Principal(scores, vectors, values, values / np.trace(covariance))


def pca(
    adata: AnnData,
    *,
    n_comps: int = 50,
    regress: Sequence[str] = (),
    scale_max: float | None = 10.0,
    key_added: str = k.obsm.pca,
    n_jobs: int = 1,
    copy: bool = False,
) -> AnnData | None:
    """Principal components of the variable genes: regress out, scale, cut, decompose.

    Equals scanpy's ``regress_out``, ``scale(max_value=...)`` and ``pca`` on the variable genes, up
    to sign and rounding, but never holds cells x genes as a dense matrix: blocks of rows feed a
    genes x genes matrix, which is decomposed exactly. Nothing is random.

    Parameters
    ----------
    adata
        Cells x genes after :func:`normalize` and :func:`variable_genes`.
    n_comps
        Components.
    regress
        Numeric columns of ``obs`` whose linear effect is removed first.
    scale_max
        Genes are scaled to unit variance and cut at plus and minus this; None leaves them unscaled.
    key_added
        Key in ``obsm``.
    n_jobs
        Threads. BLAS itself is held to one, so that the bytes don't depend on it.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``obsm[key_added]`` (cells x components, float32), ``varm["PCs"]``
    (0 outside the variable genes) and ``uns["pca"]`` with ``variance`` and ``variance_ratio``.

    Raises
    ------
    MissingKeyError
        If :func:`variable_genes` has not been run, or a column is absent.
    InputError
        If a column is not numeric or has missing values, or there are too few genes or cells.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(np.random.default_rng(0).poisson(1.0, (60, 40)))
    >>> cs.pp.normalize(adata)
    >>> cs.pp.variable_genes(adata, n_top=20, batch_key=None)
    >>> cs.pp.pca(adata, n_comps=5)
    >>> adata.obsm["X_pca"].shape
    (60, 5)
    """
    adata = target(adata, copy=copy)
    require(adata, "var", k.var.highly_variable, made_by="cs.pp.variable_genes")
    genes = np.flatnonzero(adata.var[k.var.highly_variable].to_numpy(dtype=bool))
    if not 0 < n_comps < min(genes.size, adata.n_obs):
        msg = (
            f"n_comps is {n_comps}, but must be above 0 and below both the number of variable "
            f"genes ({genes.size}) and of cells ({adata.n_obs})."
        )
        raise InputError(msg)
    result = residual_pca(
        expression_csr(adata),
        genes,
        _design(adata, regress),
        n_comps=n_comps,
        scale_max=scale_max,
        n_jobs=n_jobs,
    )
    adata.obsm[key_added] = result.scores
    loadings = np.zeros((adata.n_vars, n_comps))
    loadings[genes] = result.loadings
    adata.varm[k.varm.loadings] = loadings
    adata.uns[k.uns.pca] = {"variance": result.variance, "variance_ratio": result.variance_ratio}
    parameters = {"n_comps": n_comps, "regress": list(regress), "scale_max": scale_max}
    record(adata, "pca", parameters)
    return adata if copy else None


def _design(adata: AnnData, regress: Sequence[str]) -> np.ndarray:
    design = np.ones((adata.n_obs, len(regress) + 1))
    for position, name in enumerate(regress, start=1):
        require(adata, "obs", name, made_by="cs.pp.qc or the step that makes it")
        values = adata.obs[name]
        if values.dtype.kind not in "iufb":
            msg = f"adata.obs[{name!r}] is {values.dtype}, but only numbers can be regressed out."
            raise InputError(msg)
        numbers = values.to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            msg = f"adata.obs[{name!r}] has missing values; fill them in or don't regress it out."
            raise InputError(msg)
        # centred and scaled: the fit is the same and its normal equations stay well conditioned
        spread = numbers.std()
        design[:, position] = (numbers - numbers.mean()) / (spread if spread > 0 else 1.0)
    return design
