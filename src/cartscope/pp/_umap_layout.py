"""UMAP's layout with results that don't depend on the number of threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from cartscope.pp._core import blocks, ordered_map

if TYPE_CHECKING:
    from scipy import sparse

_MANY = 10_000
_NEGATIVES = 5
_BLOCK = 4096
_STEP = 4.0  # the largest move along an axis, before the learning rate


def curve(min_dist: float, spread: float = 1.0) -> tuple[float, float]:
    """Fit 1 / (1 + a x^(2b)) to the closeness that UMAP wants of cells at distance x.

    Parameters
    ----------
    min_dist
        Cells nearer than this are as close as can be.
    spread
        How fast closeness falls beyond.

    Returns
    -------
    a and b.
    """
    from scipy.optimize import curve_fit

    x = np.linspace(0, 3 * spread, 300)
    wanted = np.where(x < min_dist, 1.0, np.exp(-(x - min_dist) / spread))
    (a, b), _ = curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), x, wanted, p0=(1.0, 1.0))
    return float(a), float(b)


@njit(cache=True, nogil=True, inline="always")
def _next(state):
    """Return the next state of a SplitMix64 generator, and 64 random bits."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True, fastmath={"contract"})
def _epoch(indptr, indices, every, due, old, new, rows, numbers):  # noqa: PLR0917
    """Move the cells of ``rows``, seeing all others where the last epoch left them."""
    epoch, alpha, a, b, seed = numbers
    n = np.uint64(old.shape[0])
    limit = np.float32(_STEP)
    one, half = np.float32(1.0), np.float32(0.5)
    a32, b32 = np.float32(a), np.float32(b)
    pull = np.float32(-2.0 * a * b)
    push = np.float32(2.0 * b)
    rate = np.float32(alpha)
    for i in range(rows[0], rows[1]):
        x, y = old[i, 0], old[i, 1]
        # the stream belongs to cell and epoch: neither threads nor blocks can change it
        _, bits = _next(np.uint64(seed) ^ (np.uint64(i) << np.uint64(32)) ^ np.uint64(epoch))
        state = bits
        for e in range(indptr[i], indptr[i + 1]):
            if due[e] > epoch:
                continue
            due[e] += every[e]
            j = indices[e]
            dx, dy = x - old[j, 0], y - old[j, 1]
            square = dx * dx + dy * dy
            if square > 0:
                power = square**b32
                force = pull * power / (square * (a32 * power + one))
                # twice: once as the cell's own edge, once as the neighbour's, who moves as well:
                # beyond the middle they would pass each other
                share = min(np.float32(-2) * rate * force, half)
                x -= min(max(share * dx, -limit), limit)
                y -= min(max(share * dy, -limit), limit)
            for _ in range(_NEGATIVES):
                state, bits = _next(state)
                j = np.int64(bits % n)
                if j == i:
                    continue
                dx, dy = x - old[j, 0], y - old[j, 1]
                square = dx * dx + dy * dy
                if square > 0:
                    power = square**b32
                    force = push / ((np.float32(0.001) + square) * (a32 * power + one))
                    x += rate * min(max(force * dx, -limit), limit)
                    y += rate * min(max(force * dy, -limit), limit)
        new[i, 0], new[i, 1] = x, y


def _move(graph, rows, *, every, due, old, new, numbers):
    _epoch(graph.indptr, graph.indices, every, due, old, new, rows, numbers)


def layout(
    graph: sparse.csr_matrix,
    start: np.ndarray,
    *,
    min_dist: float = 0.5,
    n_epochs: int | None = None,
    seed: int = 0,
    n_jobs: int = 1,
) -> np.ndarray:
    """Return UMAP coordinates of a neighbour graph.

    The loss, its gradients and the sampling are UMAP's (McInnes et al. 2018, arXiv 1802.03426).
    What differs: in an epoch each cell moves alone, by its own stream of random numbers, among the
    others where the last epoch left them. So cells can be moved in parallel, and the result is the
    same for any number of threads.

    Parameters
    ----------
    graph
        Symmetric weights, cells x cells.
    start
        Cells x 2, where the cells begin.
    min_dist
        How close cells may lie, in units of the plot.
    n_epochs
        Rounds; 200 above 10,000 cells and 500 below when None.
    seed
        Seed of the sampling.
    n_jobs
        Threads.

    Returns
    -------
    Cells x 2, float32.
    """
    n = graph.shape[0]
    if n_epochs is None:
        n_epochs = 200 if n > _MANY else 500
    a, b = curve(min_dist)
    graph = graph.copy()
    # edges that would not be drawn once in all epochs
    graph.data = np.where(graph.data >= graph.data.max(initial=0) / n_epochs, graph.data, 0)
    graph.eliminate_zeros()
    every = (graph.data.max(initial=0) / graph.data).astype(np.float32)
    due = every.copy()
    old = np.array(start, dtype=np.float32, order="C")
    new = np.empty_like(old)
    for epoch in range(1, n_epochs + 1):
        rate = 1.0 - (epoch - 1) / n_epochs
        move = partial(
            _move, graph, every=every, due=due, old=old, new=new, numbers=(epoch, rate, a, b, seed)
        )
        for _ in ordered_map(move, blocks(n, _BLOCK), n_jobs=n_jobs):
            pass
        old, new = new, old
    return old
