from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from cartscope._errors import InputError
from cartscope.stats._arrays import NOT_TESTED, fraction, observations
from cartscope.stats._null import u_cdf
from cartscope.stats._stratified_shift import stratified_shift
from cartscope.stats._van_elteren import stratum_codes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BLOCK = 1 << 22  # pairwise differences held at a time


class ShiftEstimate(NamedTuple):
    """Result of :func:`hodges_lehmann`: floats and a word for one test, arrays (tests,) for many.

    ``estimate``, ``low`` and ``high`` are in the unit of the values; ``confidence`` is the coverage
    that the interval really has without ties, at least the one asked for.
    """

    estimate: Any
    low: Any
    high: Any
    confidence: Any
    method: Any


def hodges_lehmann(
    x: ArrayLike,
    y: ArrayLike,
    *,
    confidence: float = 0.95,
    exact_below: int = 50,
    strata: tuple[ArrayLike, ArrayLike] | None = None,
) -> ShiftEstimate:
    """Estimate how far x lies above y: median of all differences x_i - y_j, with an exact interval.

    The limits are order statistics of the differences, picked by the exact distribution of U
    without ties, as R's ``wilcox.test(conf.int=TRUE)`` does. With ties in the data the closed
    interval still covers at least as often as stated, but may be longer than needed, and it needn't
    exclude 0 exactly when the tie-exact test of :func:`mann_whitney` rejects.

    Parameters
    ----------
    x
        (n_x,) or (n_x, tests). NaN is left out of its own test; infinities are refused.
    y
        (n_y,) or (n_y, tests).
    confidence
        Coverage asked for. Where the groups are too small for it the interval is infinite.
    exact_below
        Group size from which U is taken as normal; 50 as in R.
    strata
        Labels of x and of y: only differences within a stratum count, with van Elteren's weights,
        and the limits are the shifts that :func:`van_elteren` does not reject.

    Returns
    -------
    estimate, low, high, confidence (attained), method (``"exact"``, ``"asymptotic"``, or ``"none"``
    where a group, or every stratum of one of them, had no value, with NaN).

    Raises
    ------
    InputError
        If shapes don't match or a value is infinite.

    References
    ----------
    Hodges and Lehmann 1963, :doi:`10.1214/aoms/1177704172`.

    Examples
    --------
    >>> from cartscope.stats import hodges_lehmann
    >>> result = hodges_lehmann([5.0, 6.0, 7.5, 9.0], [1.0, 2.0, 2.5, 4.0])
    >>> result.estimate, result.low, result.high, round(result.confidence, 3)
    (4.5, 1.0, 8.0, 0.971)
    """
    level = fraction(confidence, name="confidence")
    first, second = observations(x, name="x"), observations(y, name="y")
    if first.ndim != second.ndim or first.shape[1:] != second.shape[1:]:
        msg = f"x has shape {first.shape} and y {second.shape}; give the same number of tests."
        raise InputError(msg)
    if np.isinf(first).any() or np.isinf(second).any():
        msg = "x or y holds an infinity, whose differences are undefined; drop or cap it first."
        raise InputError(msg)
    single = first.ndim == 1
    if strata is not None:
        return _within(first, second, strata=strata, level=level, exact_below=exact_below)
    first, second = np.atleast_2d(first.T), np.atleast_2d(second.T)
    tests, pairs = first.shape[0], first.shape[1] * second.shape[1]
    out = np.full((4, tests), np.nan)
    method = np.full(tests, NOT_TESTED, dtype="<U10")
    step = max(1, BLOCK // pairs)
    for start in range(0, tests, step):
        block = slice(start, min(start + step, tests))
        part = first[block][:, :, None] - second[block][:, None, :]
        ordered = np.sort(part.reshape(part.shape[0], pairs), axis=1)  # NaN last
        sizes = np.stack(
            [(~np.isnan(first[block])).sum(axis=1), (~np.isnan(second[block])).sum(axis=1)]
        )
        for n_x, n_y in np.unique(sizes, axis=1).T.tolist():
            rows = np.flatnonzero((sizes[0] == n_x) & (sizes[1] == n_y))
            if n_x and n_y:
                exact = max(n_x, n_y) < exact_below
                out[:, start + rows] = _summarize(ordered[rows], n_x, n_y, level=level, exact=exact)
                method[start + rows] = "exact" if exact else "asymptotic"
    if single:
        return ShiftEstimate(*(float(v) for v in out[:, 0]), str(method[0]))
    return ShiftEstimate(*out, method)


def _summarize(ordered: np.ndarray, n_x: int, n_y: int, *, level: float, exact: bool) -> np.ndarray:
    pairs = n_x * n_y
    estimate = (ordered[:, (pairs - 1) // 2] + ordered[:, pairs // 2]) / 2
    tail = (1 - level) / 2
    if exact:
        cdf = u_cdf(n_x, n_y)
        # the limits are the k-th smallest and k-th largest difference; 1 - 0.9 is not quite 0.1
        k = int(np.searchsorted(cdf, tail * (1 + 1e-12), side="right"))
        attained = 1 - 2 * float(cdf[k - 1]) if k else 1.0
    else:
        sigma = math.sqrt(pairs * (n_x + n_y + 1) / 12)
        k = max(0, math.floor(pairs / 2 + 0.5 + float(ndtri(tail)) * sigma))
        attained = level
    if k == 0:
        low, high = np.full(len(ordered), -np.inf), np.full(len(ordered), np.inf)
    else:
        low, high = ordered[:, k - 1], ordered[:, pairs - k]
    return np.stack([estimate, low, high, np.full(len(ordered), attained)])


def _within(
    first: np.ndarray,
    second: np.ndarray,
    *,
    strata: tuple[ArrayLike, ArrayLike],
    level: float,
    exact_below: int,
) -> ShiftEstimate:
    codes = stratum_codes(strata, sizes=(first.shape[0], second.shape[0]))
    of_x, of_y = np.split(codes, [first.shape[0]])
    found = []
    for x, y in zip(np.atleast_2d(first.T), np.atleast_2d(second.T), strict=True):
        a, b = ~np.isnan(x), ~np.isnan(y)
        codes_of = of_x[a], of_y[b]
        found.append(stratified_shift(x[a], y[b], codes_of, level=level, exact_below=exact_below))
    if first.ndim == 1:
        return ShiftEstimate(*found[0])
    return ShiftEstimate(*(np.array(column) for column in zip(*found, strict=True)))
