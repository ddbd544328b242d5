"""Poisson mixture of resting, S and G2M cells: arrays in, probabilities out."""

from __future__ import annotations

import numpy as np

MIN_SEEDS = 5


def fit_cycling(
    counts: np.ndarray,
    depth: np.ndarray,
    groups: np.ndarray,
    *,
    is_s: np.ndarray,
    seed_score: np.ndarray,
    n_iter: int = 60,
) -> np.ndarray:
    """Return the probability that each cell cycles.

    Parameters
    ----------
    counts
        Raw counts of the cell-cycle genes, cells x genes.
    depth
        Total counts of each cell.
    groups
        Group of each cell, 0 or above; resting rates differ between groups, cycling rates do not.
    is_s
        Which genes are of S phase.
    seed_score
        Score that starts the estimate: cells far above the mirrored lower half of its
        distribution.
    n_iter
        Most rounds of expectation and maximisation.
    """
    n, n_genes = counts.shape
    exposure = depth / max(depth.mean(), 1e-12)
    null = _mirrored(seed_score)
    start = seed_score > null[0] + 3 * null[1]
    if start.sum() < MIN_SEEDS or n_genes == 0:
        return np.zeros(n)
    y = counts.astype(np.float64)
    s_part = y[:, is_s].sum(axis=1) / max(y[:, is_s].sum(), 1)
    g_part = y[:, ~is_s].sum(axis=1) / max(y[:, ~is_s].sum(), 1)
    p = np.zeros((n, 3))
    p[:, 0] = ~start
    p[start, 1] = s_part[start] >= g_part[start]
    p[start, 2] = s_part[start] < g_part[start]
    one = np.zeros((groups.max() + 1, n))
    one[groups, np.arange(n)] = 1.0
    for _ in range(n_iter):
        log_prior, rest, cycle = _maximize(y, exposure, p=p, one=one)
        new = _expect(y, exposure, groups, params=(log_prior, rest, cycle))
        change = np.abs(new - p).max()
        p = new
        if change < 1e-4:  # noqa: PLR2004
            break
    return 1.0 - p[:, 0]


def _mirrored(score: np.ndarray) -> tuple[float, float]:
    """Return centre and spread of the resting cells from the lower half of the scores."""
    center = float(np.median(score))
    low = score[score <= center]
    return center, float(np.sqrt(np.mean((low - center) ** 2))) if low.size else 0.0


def _maximize(
    y: np.ndarray, exposure: np.ndarray, *, p: np.ndarray, one: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log prior per group, resting rates per group and cycling rates over all groups."""
    q = p[:, 0]
    pooled = (y.T @ q + 0.1) / (exposure @ q + 1.0)
    # 50 cells' worth of the pooled rate steadies small groups
    rest = ((one * q) @ y + 50 * pooled) / ((one @ (exposure * q)) + 50)[:, None]
    cycle = (y.T @ p[:, 1:] + 5 * pooled[:, None]) / (exposure @ p[:, 1:] + 5)
    cycle = np.maximum(cycle, pooled[:, None]).T
    share = (one @ p + 0.5 * p.mean(axis=0)) / (one.sum(axis=1) + 0.5)[:, None]
    return np.log(np.maximum(share, 1e-6)), rest, cycle


def _expect(
    y: np.ndarray,
    exposure: np.ndarray,
    groups: np.ndarray,
    *,
    params: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    log_prior, rest, cycle = params
    out = log_prior[groups].copy()
    for group in range(len(rest)):
        rows = groups == group
        if not rows.any():
            continue
        rates = np.vstack([rest[group], np.maximum(cycle, rest[group])])
        out[rows] += y[rows] @ np.log(rates).T - exposure[rows, None] * rates.sum(axis=1)
    out -= out.max(axis=1, keepdims=True)
    np.exp(out, out=out)
    return out / out.sum(axis=1, keepdims=True)
