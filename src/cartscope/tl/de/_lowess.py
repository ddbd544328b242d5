"""Cleveland's robust locally weighted regression."""

from __future__ import annotations

import numpy as np

_INNER, _OUTER = 0.001, 0.999  # Cleveland's bounds, inside and outside which a weight is 1 or 0


def lowess(
    x: np.ndarray, y: np.ndarray, *, fraction: float, rounds: int = 3, skip: float = 0.01
) -> np.ndarray:
    """Return the smoothed value at every x (10.1080/01621459.1979.10481038).

    Parameters
    ----------
    x
        Ascending.
    y
        Values.
    fraction
        Share of the points in each neighbourhood.
    rounds
        Robustness iterations.
    skip
        Share of the range of x within which values are interpolated instead of fitted; 0.01 as in
        R.
    """
    n = x.size
    nearest = min(max(int(fraction * n + 1e-7), 2), n)
    span = float(x[-1] - x[0])
    at = _fitted_points(x, skip * span)
    robust = np.ones(n)
    fitted = y.astype(np.float64)
    for step in range(rounds + 1):
        values = np.array([_local(x, y, robust, i, nearest=nearest) for i in at])
        fitted = np.interp(x, x[at], values)
        if step == rounds:
            break
        residual = np.abs(y - fitted)
        scale = 6 * np.median(residual)
        if scale < 1e-7 * residual.mean() or scale == 0:
            break
        ratio = residual / scale
        robust = np.where(ratio <= _INNER, 1.0, np.where(ratio > _OUTER, 0.0, (1 - ratio**2) ** 2))
    return fitted


def _fitted_points(x: np.ndarray, reach: float) -> list[int]:
    """First of each run of equal x, leaving out what lies within ``reach`` of the one before."""
    at, here = [0], 0
    while here < x.size - 1:
        beyond = int(np.searchsorted(x, x[here] + reach, side="right"))
        here = max(beyond - 1, int(np.searchsorted(x, x[here], side="right")))
        if here >= x.size:
            break
        at.append(here)
    return at


def _local(x: np.ndarray, y: np.ndarray, robust: np.ndarray, i: int, *, nearest: int) -> float:  # noqa: PLR0917
    """Local linear fit at one point."""
    left = max(0, i - nearest + 1)
    window = np.abs(x[left : i + nearest] - x[i])
    width = np.partition(window, nearest - 1)[nearest - 1]
    low = np.searchsorted(x, x[i] - width, side="left")
    high = np.searchsorted(x, x[i] + width, side="right")
    distance = np.abs(x[low:high] - x[i])
    weight = (1 - np.minimum(distance / max(width, 1e-300), 1) ** 3) ** 3
    weight[distance > _OUTER * width] = 0.0
    weight[distance <= _INNER * width] = 1.0
    weight *= robust[low:high]
    total = weight.sum()
    if total <= 0:
        return float(y[i])
    weight /= total
    center = weight @ x[low:high]
    spread = weight @ (x[low:high] - center) ** 2
    if np.sqrt(spread) > _INNER * (x[-1] - x[0]):
        weight *= 1 + (x[i] - center) * (x[low:high] - center) / spread
    return float(weight @ y[low:high])
