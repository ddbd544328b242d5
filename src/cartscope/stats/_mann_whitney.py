from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtr

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.stats._arrays import (
    ALTERNATIVES,
    METHODS,
    NAN_POLICIES,
    NOT_TESTED,
    Alternative,
    Method,
    NanPolicy,
    observations,
    refuse_nan,
)
from cartscope.stats._null import rank_sum_null
from cartscope.stats._ranks import rank_rows, tie_sizes, tie_term

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

BLOCK = 1 << 21  # values ranked at a time, so that memory doesn't grow with the number of tests


class MannWhitney(NamedTuple):
    """Result of :func:`mann_whitney`: floats and a word for one test, arrays (tests,) for many.

    ``u`` counts the pairs in which x is above y, ties counting one half; ``n_x`` and ``n_y`` are
    the observations that were used.
    """

    u: Any
    p_value: Any
    method: Any
    n_x: Any
    n_y: Any


def mann_whitney(
    x: ArrayLike,
    y: ArrayLike,
    *,
    alternative: Alternative = "two-sided",
    method: Method = "auto",
    nan_policy: NanPolicy = "omit",
    exact_below: int = 50,
) -> MannWhitney:
    """Mann-Whitney U test, exact under ties.

    The exact p-value is that of the permutation distribution of the midranks actually observed
    (shift algorithm), not that of untied ranks. Two-sided is the probability of a rank sum at least
    as far from its mean as the observed one, as in R's coin; without ties this is twice the smaller
    tail, as in R's ``wilcox.test``. The asymptotic p-value is corrected for ties and continuity.

    Parameters
    ----------
    x
        (n_x,) for one test or (n_x, tests). Infinities are ranked like any number. Ties are exact
        equality: round values that differ by rounding noise only.
    y
        (n_y,) or (n_y, tests).
    alternative
        What is tested: x differs from y, is greater, or is less.
    method
        ``"auto"`` is exact where both groups hold fewer than ``exact_below`` observations, ties or
        not, and asymptotic elsewhere, decided test by test.
    nan_policy
        ``"omit"`` leaves NaN out of its own test only, ``"propagate"`` gives NaN for a test with
        NaN, ``"raise"`` refuses.
    exact_below
        Group size from which ``"auto"`` turns asymptotic; 50 as in R.

    Returns
    -------
    u, p_value, method (``"exact"``, ``"asymptotic"``, or ``"none"`` where a group had no value,
    with u and p_value NaN), n_x, n_y. Where every value is tied p is 1.

    Raises
    ------
    InputError
        If a group is empty, shapes don't match, or an option is unknown.

    References
    ----------
    Mann and Whitney 1947, :doi:`10.1214/aoms/1177730491`; Streitberg and Roehmel 1986, Statistical
    Software Newsletter 12:10-17; Hothorn et al. 2006, :doi:`10.1198/000313006X118430`.

    Examples
    --------
    >>> from cartscope.stats import mann_whitney
    >>> result = mann_whitney([0.1, 0.4, 0.5, 0.9], [1.1, 1.2, 1.3, 2.0, 2.2, 3.0])
    >>> result.u, round(result.p_value, 4), result.method
    (0.0, 0.0095, 'exact')
    """
    one_of(alternative, ALTERNATIVES, name="alternative")
    one_of(method, METHODS, name="method")
    one_of(nan_policy, NAN_POLICIES, name="nan_policy")
    first, second = _paired_columns(x, y)
    if nan_policy == "raise":
        refuse_nan(first, name="x")
        refuse_nan(second, name="y")
    single = first.ndim == 1
    rows = np.concatenate([np.atleast_2d(first.T), np.atleast_2d(second.T)], axis=1)
    size_x = first.shape[0]
    tests, size = rows.shape

    u = np.full(tests, np.nan)
    p = np.full(tests, np.nan)
    n_x = np.empty(tests, dtype=np.int64)
    n_y = np.empty(tests, dtype=np.int64)
    used = np.full(tests, NOT_TESTED, dtype="<U10")
    step = max(1, BLOCK // size)
    for start in range(0, tests, step):
        block = slice(start, min(start + step, tests))
        ranked = rank_rows(rows[block])
        missing = np.isnan(rows[block])
        n_x[block] = size_x - missing[:, :size_x].sum(axis=1)
        n_y[block] = ranked.n - n_x[block]
        doubled = ranked.ranks[:, :size_x].sum(axis=1)
        testable = (n_x[block] > 0) & (n_y[block] > 0)
        if nan_policy == "propagate":
            testable &= ~missing.any(axis=1)
        small = np.maximum(n_x[block], n_y[block]) < exact_below
        exact = testable & (small if method == "auto" else method == "exact")
        rough = testable & ~exact
        part_u, part_p = u[block], p[block]
        part_u[testable] = (doubled / 2 - n_x[block] * (n_x[block] + 1) / 2)[testable]
        used[block][exact] = "exact"
        used[block][rough] = "asymptotic"
        part_p[exact] = _exact(
            doubled[exact],
            ranked.starts[exact],
            n_x=n_x[block][exact],
            n_y=n_y[block][exact],
            alternative=alternative,
        )
        part_p[rough] = _asymptotic(
            part_u[rough],
            tie_term(ranked.starts[rough], ranked.n[rough]),
            n_x=n_x[block][rough],
            n_y=n_y[block][rough],
            alternative=alternative,
        )
    if single:
        return MannWhitney(float(u[0]), float(p[0]), str(used[0]), int(n_x[0]), int(n_y[0]))
    return MannWhitney(u, p, used, n_x, n_y)


def _paired_columns(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    first, second = observations(x, name="x"), observations(y, name="y")
    if first.ndim != second.ndim or first.shape[1:] != second.shape[1:]:
        msg = (
            f"x has shape {first.shape} and y {second.shape}; give (n_x,) and (n_y,), or "
            "(n_x, tests) and (n_y, tests) with the same number of tests."
        )
        raise InputError(msg)
    return first, second


def _exact(
    doubled: np.ndarray,
    starts: np.ndarray,
    *,
    n_x: np.ndarray,
    n_y: np.ndarray,
    alternative: str,
) -> np.ndarray:
    p = np.empty(doubled.size)
    if not doubled.size:
        return p
    # one null distribution for all tests that share group sizes and pattern of ties
    sizes = np.stack([n_x, n_y], axis=1).astype(np.int32).view(np.uint8)
    keys = np.ascontiguousarray(np.concatenate([sizes, np.packbits(starts, axis=1)], axis=1))
    _, head, kind, times = np.unique(
        keys.view(f"V{keys.shape[1]}").ravel(),
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    members = np.split(np.argsort(kind, kind="stable"), np.cumsum(times)[:-1])
    for lead, rows in zip(head.tolist(), members, strict=True):
        n = int(n_x[lead])
        ties = tie_sizes(starts[lead], n + int(n_y[lead]))
        null = rank_sum_null(tuple(ties.tolist()), n)
        p[rows] = null.p_value(doubled[rows], alternative)
    return p


def _asymptotic(
    u: np.ndarray, ties: np.ndarray, *, n_x: np.ndarray, n_y: np.ndarray, alternative: str
) -> np.ndarray:
    pairs = n_x.astype(np.float64) * n_y
    n = (n_x + n_y).astype(np.float64)
    variance = pairs / 12 * ((n + 1) - ties / np.maximum(n * (n - 1), 1))
    deviation = u - pairs / 2
    tied = ties >= n**3 - n  # every value the same: nothing to tell apart
    sigma = np.sqrt(np.where(tied, 1.0, variance))
    if alternative == "greater":
        p = ndtr(-(deviation - 0.5) / sigma)
    elif alternative == "less":
        p = ndtr((deviation + 0.5) / sigma)
    else:
        p = 2 * ndtr(-np.maximum(np.abs(deviation) - 0.5, 0) / sigma)
    return np.where(tied, 1.0, p)
