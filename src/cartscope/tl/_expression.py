"""Reading a few genes out of a big sparse matrix, and averaging them over cells."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from anndata import AnnData

logger = logging.getLogger(__name__)

LARGEST_LOG1P = 25.0  # log1p of 10,000 is 9.2; raw counts of a highly expressed gene are larger
BLOCK = 16384  # cells read at a time


def log_expression(adata: AnnData) -> np.ndarray | sparse.csr_matrix:
    """Return ``X`` after checking that it can be log-normalised expression.

    Parameters
    ----------
    adata
        Cells x genes.

    Returns
    -------
    The matrix itself, not a copy.
    """
    x = adata.X
    if x is None:
        msg = "adata.X is missing, but must hold log1p expression; run pp.normalize first."
        raise InputError(msg)
    values = x.data if sparse.issparse(x) else np.asarray(x)
    if values.size and (top := values.max()) > LARGEST_LOG1P:
        msg = (
            f"adata.X holds {top:g}, so it is not log1p of 10,000-normalised counts; "
            "run pp.normalize first."
        )
        raise InputError(msg)
    return x


def row_blocks(
    x: np.ndarray | sparse.csr_matrix, size: int = BLOCK
) -> Iterator[tuple[slice, np.ndarray | sparse.csr_matrix]]:
    """Yield slices of rows and the rows, so that a conversion never doubles the whole matrix.

    Parameters
    ----------
    x
        Cells x genes.
    size
        Rows of a block.
    """
    for start in range(0, x.shape[0], size):
        rows = slice(start, min(start + size, x.shape[0]))
        yield rows, x[rows]


def gene_positions(
    names: pd.Index, genes: Iterable[str], aliases: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Return the column of each gene that is there, by the name that was asked for.

    Parameters
    ----------
    names
        ``adata.var_names``.
    genes
        Symbols; the exact spelling is preferred, then another case, then the alias.
    aliases
        Other symbols of the same gene, both ways: old to new and new to old.
    """
    both: dict[str, str] = {}
    for old, new in (aliases or {}).items():
        both[old], both[new] = new, old
    exact = {name: i for i, name in reversed(list(enumerate(names)))}
    upper = {name.upper(): i for name, i in reversed(exact.items())}
    out: dict[str, int] = {}
    for gene in dict.fromkeys(genes):
        for name in (gene, both.get(gene)):
            if name is None:
                continue
            at = exact.get(name, upper.get(name.upper()))
            if at is not None:
                out[gene] = at
                break
    return out


def panel(
    adata: AnnData, genes: Iterable[str], aliases: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return log1p expression of a few genes as a dense float32 table, cells x genes found.

    Parameters
    ----------
    adata
        Cells x genes, log1p in ``X``.
    genes
        Symbols; those that are absent are left out.
    aliases
        Other symbols of the same genes.
    """
    wanted = list(dict.fromkeys(genes))
    at = gene_positions(adata.var_names, wanted, aliases)
    if missing := [gene for gene in wanted if gene not in at]:
        logger.info("genes that are not in adata.var_names: %s", ", ".join(missing))
    values = columns(log_expression(adata), list(at.values()))
    return pd.DataFrame(values, index=adata.obs_names, columns=list(at))


def columns(x: np.ndarray | sparse.csr_matrix, positions: list[int]) -> np.ndarray:
    """Return a few columns as a dense float32 array.

    Parameters
    ----------
    x
        Cells x genes.
    positions
        Columns wanted.
    """
    out = np.zeros((x.shape[0], len(positions)), dtype=np.float32)
    if not positions:
        return out
    for rows, block in row_blocks(x):
        part = block[:, positions]
        out[rows] = part.toarray() if sparse.issparse(part) else np.asarray(part)
    return out


def group_means(values: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the mean of each column over the rows of each group, nan for an empty group.

    Parameters
    ----------
    values
        Cells x columns.
    codes
        Group of each cell; -1 is in none.
    n_groups
        Number of groups.
    """
    keep = codes >= 0
    one = sparse.csr_matrix(
        (np.ones(keep.sum()), (codes[keep], np.flatnonzero(keep))), shape=(n_groups, len(codes))
    )
    size = np.bincount(codes[keep], minlength=n_groups).astype(float)
    size[size == 0] = np.nan
    return np.asarray(one @ values) / size[:, None]


def nearest(points: np.ndarray, k: int, n_jobs: int = 1) -> sparse.csr_matrix:
    """Return the matrix that averages over each point and its ``k`` nearest others.

    Parameters
    ----------
    points
        Points x dimensions.
    k
        Neighbours beside the point itself; fewer when there are fewer points.
    n_jobs
        Threads.
    """
    from sklearn.neighbors import NearestNeighbors

    n = points.shape[0]
    size = min(k + 1, n)
    search = NearestNeighbors(n_neighbors=size, n_jobs=n_jobs).fit(points)
    index = search.kneighbors(points, return_distance=False)
    indptr = np.arange(0, n * size + 1, size)
    data = np.full(n * size, 1.0 / size, dtype=np.float32)
    return sparse.csr_matrix((data, index.ravel(), indptr), shape=(n, n))
