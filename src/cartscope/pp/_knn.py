"""Nearest neighbours with faiss, the same for any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from cartscope._errors import InputError
from cartscope.pp._core import blocks, ordered_map

EXACT_BELOW = 30_000  # cells; above, an inverted file is faster than all pairs
RECALL = 0.97  # share of the true neighbours that the inverted file must find
_CHECKED = 256  # cells the recall is measured on
_FEWEST_LISTS = 8
_QUERIES = 2048


def nearest(
    points: np.ndarray,
    n_neighbors: int,
    *,
    exact: bool | None = None,
    seed: int = 0,
    n_jobs: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest points of every point, itself first.

    Parameters
    ----------
    points
        Cells x dimensions.
    n_neighbors
        Neighbours per cell, itself among them.
    exact
        Whether to compare all pairs; when None, below 30,000 points.
    seed
        Seed of the inverted file's k-means.
    n_jobs
        Threads over fixed blocks of queries.

    Returns
    -------
    Indices (int64) and Euclidean distances (float32), shape (cells, n_neighbors), by distance.
    """
    points = np.ascontiguousarray(points, dtype=np.float32)
    if not np.isfinite(points).all():
        msg = "the embedding holds missing or infinite values; neighbors cannot be searched in it."
        raise InputError(msg)
    if exact is None:
        exact = points.shape[0] < EXACT_BELOW
    return search(points, points, n_neighbors, exact=exact, seed=seed, n_jobs=n_jobs)


def search(
    points: np.ndarray,
    queries: np.ndarray,
    n_neighbors: int,
    *,
    exact: bool,
    seed: int = 0,
    n_jobs: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest ``points`` of every one of the first ``points``, itself first.

    Parameters
    ----------
    points
        Points to search among, float32.
    queries
        The first rows of ``points``.
    n_neighbors
        Neighbours per query, itself among them.
    exact
        Whether to compare all pairs.
    seed
        Seed of the inverted file's k-means.
    n_jobs
        Threads over fixed blocks of queries.
    """
    import faiss
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        faiss.omp_set_num_threads(1)
        flat = faiss.IndexFlatL2(points.shape[1])
        flat.add(points)
        index = flat if exact else _inverted_file(points, flat, n_neighbors, seed=seed)

        def look(block: tuple[int, int]) -> np.ndarray:
            faiss.omp_set_num_threads(1)  # OpenMP keeps this per thread
            start, stop = block
            return index.search(queries[start:stop], n_neighbors)[1]

        parts = list(ordered_map(look, blocks(queries.shape[0], _QUERIES), n_jobs=n_jobs))
    found = np.concatenate(parts)
    distances = np.empty(found.shape, dtype=np.float32)
    _arrange(points, found, distances)
    return found, distances


def _inverted_file(points: np.ndarray, flat: Any, n_neighbors: int, *, seed: int) -> Any:
    """Build an index that looks into as many of its lists as the recall asks for."""
    import faiss

    n, dimensions = points.shape
    n_lists = max(int(2 * np.sqrt(n)), 1)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dimensions), dimensions, n_lists)
    index.cp.seed = seed % 2**31
    index.cp.niter = 10
    index.cp.max_points_per_centroid = 64
    index.train(points)
    index.add(points)
    # how far the lists overlap depends on the data, so it is measured on evenly spaced cells
    some = points[np.linspace(0, n - 1, min(n, _CHECKED)).astype(int)]
    truth = flat.search(some, n_neighbors)[1]
    index.nprobe = min(_FEWEST_LISTS, n_lists)
    while index.nprobe < n_lists and _recall(truth, index.search(some, n_neighbors)[1]) < RECALL:
        index.nprobe = min(int(index.nprobe * 1.5), n_lists)
    return index


def _recall(truth: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))


@njit(cache=True, nogil=True)
def _arrange(points, found, distances):
    """Put each point first in its own list, and the rest in order of distances computed anew.

    faiss expands the square of a difference, which loses digits between near points, and does not
    promise that a point with duplicates finds itself.
    """
    n, kk = found.shape
    squares = np.empty(kk, np.float64)
    for i in range(n):
        own = -1
        for j in range(kk):
            if found[i, j] == i:
                own = j
        if own < 0:
            own = kk - 1
            found[i, own] = i
        for j in range(kk):
            other = found[i, j]
            if other < 0:
                squares[j] = np.inf
                continue
            total = 0.0
            for d in range(points.shape[1]):
                difference = np.float64(points[i, d]) - np.float64(points[other, d])
                total += difference * difference
            squares[j] = total
        squares[own] = -1.0
        for j in range(1, kk):  # insertion sort: the list is nearly in order already
            value, which = squares[j], found[i, j]
            p = j - 1
            while p >= 0 and (squares[p] > value or (squares[p] == value and found[i, p] > which)):
                squares[p + 1] = squares[p]
                found[i, p + 1] = found[i, p]
                p -= 1
            squares[p + 1] = value
            found[i, p + 1] = which
        squares[0] = 0.0
        for j in range(kk):
            distances[i, j] = np.sqrt(squares[j])
