from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.pp import _kernels
from cartscope.pp._core import counts_csr, match_genes, record, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from scipy import sparse


def log_normalize(
    counts: sparse.csr_matrix, *, target_sum: float = 1e4, counted: np.ndarray | None = None
) -> sparse.csr_matrix:
    """Return log1p of counts scaled to the same total, on the index arrays of ``counts``.

    Parameters
    ----------
    counts
        Cells x genes, raw.
    target_sum
        Total of every cell after scaling.
    counted
        Genes that count towards a cell's total, shape (genes,); all when None.

    Returns
    -------
    A float32 matrix whose ``indices`` and ``indptr`` are those of ``counts``, not copies.
    """
    if counted is None:
        counted = np.ones(counts.shape[1], dtype=bool)
    total = _kernels.row_totals(counts.data, counts.indices, counts.indptr, counted)
    scale = np.divide(target_sum, total, out=np.zeros_like(total), where=total > 0)
    data = np.empty(counts.data.size, dtype=np.float32)
    _kernels.log_normalized(counts.data, counts.indptr, scale, data)
    # the constructor may copy or narrow the index arrays, plain assignment may not
    out = type(counts)(counts.shape, dtype=np.float32)
    out.data, out.indices, out.indptr = data, counts.indices, counts.indptr
    return out


def normalize(
    adata: AnnData, *, target_sum: float = 1e4, exclude: Sequence[str] = (), copy: bool = False
) -> AnnData | None:
    """Set ``X`` to log1p of the counts scaled to ``target_sum`` per cell.

    ``X`` is always made anew from the raw counts, so that a second call changes nothing. It shares
    ``indices`` and ``indptr`` with ``layers["counts"]``: at 383 million non-zeros that is 3.1 GB
    less. Don't call methods that rewrite a sparse matrix's indices in place on either of them.

    Parameters
    ----------
    adata
        Cells x genes with raw counts in ``layers["counts"]``, else in ``X``, which is then moved to
        ``layers["counts"]``.
    target_sum
        Total per cell after scaling, in counts.
    exclude
        Genes, or regular expressions, that don't count towards a cell's total. Their own values
        are scaled like the others'.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``X`` (float32 CSR), ``layers["counts"]`` (CSR) and ``uns["log1p"]``.

    Raises
    ------
    InputError
        If the counts are negative or fractional, or ``target_sum`` is not above 0.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(np.array([[1, 3], [0, 2]]))
    >>> cs.pp.normalize(adata)
    >>> np.expm1(adata.X.toarray()).sum(axis=1).round()
    array([10000., 10000.], dtype=float32)
    """
    if not target_sum > 0:
        msg = f"target_sum is {target_sum}, but must be above 0."
        raise InputError(msg)
    adata = target(adata, copy=copy)
    counts = counts_csr(adata)
    adata.layers[k.layers.counts] = counts
    counts = adata.layers[k.layers.counts]
    counted = ~match_genes(list(adata.var_names), exclude)
    adata.X = log_normalize(counts, target_sum=target_sum, counted=counted)
    adata.uns[k.uns.log1p] = {}
    record(adata, "normalize", {"target_sum": float(target_sum), "exclude": list(exclude)})
    return adata if copy else None
