"""How far x lies above y within strata: the shifts that van Elteren's test does not reject."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from cartscope.stats._arrays import NOT_TESTED
from cartscope.stats._stratified_null import (
    is_countable,
    stratified_null,
    untied,
    van_elteren_weights,
)


class Shift(NamedTuple):
    """Estimate, limits, attained confidence and method of one test."""

    estimate: float
    low: float
    high: float
    confidence: float
    method: str


def stratified_shift(
    x: np.ndarray,
    y: np.ndarray,
    codes: tuple[np.ndarray, np.ndarray],
    *,
    level: float,
    exact_below: int,
) -> Shift:
    """Return the weighted median of the differences within strata, with its interval.

    Parameters
    ----------
    x
        (n_x,) without NaN.
    y
        (n_y,) without NaN.
    codes
        Strata of x and of y.
    level
        Confidence asked for.
    exact_below
        Group size from which the limits come from the normal approximation, as they do where the
        exact distribution is too large.
    """
    parts, sizes = [], []
    for s in np.intersect1d(*codes):
        a, b = x[codes[0] == s], y[codes[1] == s]
        parts.append((a[:, None] - b[None, :]).ravel())
        sizes.append((a.size, b.size))
    if not parts:
        return Shift(np.nan, np.nan, np.nan, np.nan, NOT_TESTED)
    n_x, n_y = np.array(sizes).T
    weight = van_elteren_weights(n_x + n_y)
    few = max(n_x.sum(), n_y.sum()) < exact_below
    exact = bool(few) and is_countable(untied(n_x.tolist(), n_y.tolist()))
    differences = np.concatenate(parts)
    order = np.argsort(differences, kind="stable")
    ordered = differences[order]
    reach = np.cumsum(np.repeat(weight, n_x * n_y)[order])
    whole = int(reach[-1])
    lower = ordered[np.searchsorted(2 * reach, whole, side="left")]
    upper = ordered[np.searchsorted(2 * reach, whole, side="right")]
    needed, attained = _needed(n_x, n_y, weight, tail=(1 - level) / 2, exact=exact)
    if needed <= 0:
        low, high = -np.inf, np.inf
    else:
        low = ordered[np.searchsorted(reach, needed, side="left")]
        from_above = whole - np.append(0, reach[:-1])  # weight of this difference and those above
        high = ordered[np.flatnonzero(from_above >= needed)[-1]]
    how = "exact" if exact else "asymptotic"
    covered = level if attained is None else attained
    return Shift(float(lower + upper) / 2, float(low), float(high), covered, how)


def _needed(
    n_x: np.ndarray, n_y: np.ndarray, weight: np.ndarray, *, tail: float, exact: bool
) -> tuple[float, float | None]:
    """Return how much weight lies outside of each limit, and the coverage (None: as asked for)."""
    if exact:
        null = stratified_null(untied(n_x.tolist(), n_y.tolist()))
        # from doubled rank sums to weighted counts of pairs
        counts = (null.values - (weight * n_x * (n_x + 1)).sum()) // 2
        below = np.cumsum(null.ways) / null.ways.sum()
        at = int(np.searchsorted(below, tail * (1 + 1e-12), side="right"))
        return float(counts[at]), 1 - 2 * float(below[at - 1]) if at else 1.0
    spread = np.sqrt((weight.astype(float) ** 2 * n_x * n_y * (n_x + n_y + 1) / 12).sum())
    middle = (weight * n_x * n_y).sum() / 2
    return float(middle + ndtri(tail) * spread), None
