"""What the counts of one sample alone say of its share of CAR T cells."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from cartscope.tl._car_model import LOG_SIZE, log_nb

LIKELIHOOD_DROP: Final = 1.92  # half the 95% quantile of chi-squared with 1 degree of freedom


def share_interval(y: np.ndarray, depth: np.ndarray, *, ambient: np.ndarray) -> tuple[float, float]:
    """Return the 95% profile-likelihood interval of the share of CAR T cells in one sample.

    Parameters
    ----------
    y
        CAR counts of the T cells.
    depth
        Total counts of the T cells.
    ambient
        Ambient CAR counts per count.
    """
    # cells of the same count and nearly the same depth stand for each other
    key = np.column_stack([y, np.rint(np.log(np.maximum(depth, 1.0)) * 8)])
    _, first, times = np.unique(key, axis=0, return_index=True, return_counts=True)
    center = np.log(max(y.mean(), 0.1) / max(depth.mean(), 1.0))
    y, depth, ambient = y[first], np.maximum(depth[first], 1.0), ambient[first]
    quiet = log_nb(y, depth * ambient, 1e6)  # a size this large is Poisson

    def profile(share: float) -> float:
        def loss(v: np.ndarray) -> float:
            loud = log_nb(y, depth * np.exp(v[0]), float(np.exp(v[1]))) + np.log(share)
            rest = quiet + np.log1p(-min(share, 1 - 1e-9))
            gap = (v[1] - LOG_SIZE[0]) / (2 * LOG_SIZE[1])  # half as sure as in the fit
            return -float(times @ np.logaddexp(loud, rest)) + 0.5 * gap**2

        start = np.array([center - np.log(share), LOG_SIZE[0]])
        bounds = [(center - 3, center + 6), (-2.0, 5.0)]
        return float(minimize(loss, start, method="L-BFGS-B", bounds=bounds).fun)

    best = minimize_scalar(profile, bounds=(1e-3, 1.0), method="bounded", options={"xatol": 0.005})
    limit = min(best.fun, profile(1.0)) + LIKELIHOOD_DROP
    peak = 1.0 if profile(1.0) <= best.fun else float(best.x)
    ends = []
    for outside in (1e-3, 1.0):
        inner, outer = peak, outside
        if profile(outer) <= limit:
            inner = outer
        while abs(outer - inner) > 0.005:  # noqa: PLR2004
            middle = 0.5 * (inner + outer)
            inner, outer = (middle, outer) if profile(middle) <= limit else (inner, middle)
        ends.append(float(inner))
    return ends[0], ends[1]
