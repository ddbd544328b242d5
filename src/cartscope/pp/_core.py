"""What every step of this room needs: the object to write to, counts, groups, blocks, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _keys as k
from cartscope._check import raw_counts, require
from cartscope._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from anndata import AnnData

T = TypeVar("T")
R = TypeVar("R")


def target(adata: AnnData, *, copy: bool) -> AnnData:
    """Return the object to write to, and refuse a view.

    Parameters
    ----------
    adata
        What the user gave.
    copy
        Whether to write to a copy.
    """
    if copy:
        return adata.copy()
    if adata.is_view:
        msg = "adata is a view of another object; write `adata = adata.copy()` first, or copy=True."
        raise InputError(msg)
    return adata


def record(adata: AnnData, step: str, parameters: Mapping[str, Any]) -> None:
    """Keep the parameters that change a step's result in ``uns["cartscope"][step]``.

    Parameters
    ----------
    adata
        Object to write to.
    step
        Name of the step.
    parameters
        Values that h5ad and zarr can hold; None is left out.
    """
    ours = adata.uns.setdefault(k.uns.cartscope, {})
    ours[step] = {name: value for name, value in parameters.items() if value is not None}


def counts_csr(adata: AnnData) -> sparse.csr_matrix:
    """Return the raw counts as CSR with sorted indices.

    Parameters
    ----------
    adata
        Raw counts in ``layers["counts"]``, else in ``X``.

    Returns
    -------
    The stored matrix itself where it is CSR already, else a converted copy.
    """
    counts = raw_counts(adata)
    if not sparse.issparse(counts) or counts.format != "csr":
        counts = sparse.csr_matrix(counts)
    if not counts.has_canonical_format:
        counts.sum_duplicates()
    return counts


def expression_csr(adata: AnnData) -> sparse.csr_matrix:
    """Return ``X`` as CSR.

    Parameters
    ----------
    adata
        Normalized, log-transformed expression in ``X``.
    """
    if adata.X is None:
        msg = "adata.X is empty; run cs.pp.normalize first."
        raise InputError(msg)
    x = adata.X
    if not sparse.issparse(x) or x.format != "csr":
        x = sparse.csr_matrix(x)
    return x


def group_codes(adata: AnnData, key: str | None) -> tuple[np.ndarray, list[str]]:
    """Return the group of every cell and the names of the groups that occur.

    Parameters
    ----------
    adata
        Cells.
    key
        Column of ``obs``; None puts all cells in one group.

    Returns
    -------
    Codes as int64 (pandas keeps category codes in int8, which overflow in products), and names in
    the order of the categories, else sorted.
    """
    if key is None:
        return np.zeros(adata.n_obs, dtype=np.int64), ["all"]
    require(adata, "obs", key, made_by="cs.io.read_cohort")
    values = adata.obs[key]
    if values.isna().any():
        msg = f"adata.obs[{key!r}] is missing for {int(values.isna().sum())} cells; fill it in."
        raise InputError(msg)
    if isinstance(values.dtype, pd.CategoricalDtype):
        used = values.cat.remove_unused_categories()
        return used.cat.codes.to_numpy().astype(np.int64), [str(c) for c in used.cat.categories]
    codes, names = pd.factorize(values, sort=True)
    return codes.astype(np.int64), [str(name) for name in names]


def blocks(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive blocks.

    Parameters
    ----------
    n
        Number of rows.
    size
        Rows per block; fixed, so that sums don't depend on the number of threads.
    """
    for start in range(0, n, size):
        yield start, min(start + size, n)


def ordered_map(work: Callable[[T], R], units: Iterable[T], *, n_jobs: int) -> Iterator[R]:
    """Yield ``work(unit)`` in the order of ``units``, at most ``n_jobs`` at once.

    Parameters
    ----------
    work
        Function that releases the GIL for most of its time.
    units
        Units of work.
    n_jobs
        Threads; at most one more result than this is held at a time.
    """
    if n_jobs < 1:
        msg = f"n_jobs is {n_jobs}, but must be 1 or more."
        raise InputError(msg)
    if n_jobs == 1:
        yield from map(work, units)
        return
    from collections import deque

    with ThreadPoolExecutor(n_jobs) as pool:
        waiting: deque[Any] = deque()
        for unit in units:
            waiting.append(pool.submit(work, unit))
            if len(waiting) > n_jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def match_genes(names: Sequence[str], patterns: Iterable[str]) -> np.ndarray:
    """Return which genes a name or a regular expression matches in full.

    Parameters
    ----------
    names
        Gene symbols.
    patterns
        Symbols, or regular expressions that must match a whole symbol, such as ``TR.V.*``.
    """
    import re

    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            msg = f"gene pattern {pattern!r} is not a regular expression: {error}."
            raise InputError(msg) from error
    plain = set(patterns) if not isinstance(patterns, str) else {patterns}
    return np.array(
        [name in plain or any(c.fullmatch(name) for c in compiled) for name in names], dtype=bool
    )
