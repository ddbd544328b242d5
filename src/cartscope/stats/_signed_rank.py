from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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
from cartscope.stats._null import signed_rank_null
from cartscope.stats._ranks import rank_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ZEROS = ("wilcoxon", "pratt")


class SignedRank(NamedTuple):
    """Result of :func:`signed_rank`: floats and a word for one test, arrays (tests,) for many.

    ``v`` is the sum of the ranks of positive differences, ``n`` the differences that were ranked
    and are not zero.
    """

    v: Any
    p_value: Any
    method: Any
    n: Any


def signed_rank(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    alternative: Alternative = "two-sided",
    method: Method = "auto",
    zeros: Literal["wilcoxon", "pratt"] = "wilcoxon",
    nan_policy: NanPolicy = "omit",
    exact_below: int = 50,
) -> SignedRank:
    """Wilcoxon signed-rank test of paired values, exact under ties and zeros.

    The exact p-value counts all sign assignments of the midranks actually observed: under the null
    every non-zero difference is as likely positive as negative, and zeros carry no sign.

    Parameters
    ----------
    x
        Differences, or the first value of each pair: (pairs,) or (pairs, tests).
    y
        Second value of each pair, in the same order; the differences are x - y. Differences tie by
        exact equality, so round values that carry rounding noise (0.3 - 0.2 is not 0.2 - 0.1).
    alternative
        What is tested: differences are not centered on 0, lie above, or lie below.
    method
        ``"auto"`` is exact where fewer than ``exact_below`` differences count, asymptotic
        (corrected for ties, zeros and continuity) elsewhere, decided test by test.
    zeros
        ``"wilcoxon"`` drops zero differences before ranking, as R's ``wilcox.test``; ``"pratt"``
        ranks them and then drops their ranks, as R's coin.
    nan_policy
        ``"omit"`` leaves out pairs with NaN from their own test only, ``"propagate"`` gives NaN,
        ``"raise"`` refuses.
    exact_below
        Number of differences from which ``"auto"`` turns asymptotic; 50 as in R.

    Returns
    -------
    v, p_value, method (``"exact"``, ``"asymptotic"``, or ``"none"`` where no pair was there, with
    NaN), n. Where every difference is zero p is 1.

    Raises
    ------
    InputError
        If there is no pair, shapes don't match, or an option is unknown.

    References
    ----------
    Wilcoxon 1945, :doi:`10.2307/3001968`; Pratt 1959, :doi:`10.1080/01621459.1959.10501526`.

    Examples
    --------
    >>> from cartscope.stats import signed_rank
    >>> result = signed_rank([1.1, 2.3, 0.4, 3.1, 0.9, 1.7])
    >>> result.v, result.p_value, result.method
    (21.0, 0.03125, 'exact')
    """
    one_of(alternative, ALTERNATIVES, name="alternative")
    one_of(method, METHODS, name="method")
    one_of(zeros, ZEROS, name="zeros")
    one_of(nan_policy, NAN_POLICIES, name="nan_policy")
    difference = _differences(x, y)
    if nan_policy == "raise":
        refuse_nan(difference, name="x" if y is None else "x - y")
    single = difference.ndim == 1
    rows = np.atleast_2d(difference.T)
    missing = np.isnan(rows)
    zero = rows == 0
    magnitude = np.abs(rows)
    if zeros == "wilcoxon":
        magnitude = np.where(zero, np.nan, magnitude)
    ranks = rank_rows(magnitude).ranks
    ranks[zero] = 0
    v = (ranks * (rows > 0)).sum(axis=1) / 2
    n = (~missing & ~zero).sum(axis=1)
    testable = ~missing.all(axis=1)
    if nan_policy == "propagate":
        testable &= ~missing.any(axis=1)
    exact = testable & ((n < exact_below) if method == "auto" else method == "exact")
    rough = testable & ~exact
    p = np.full(n.size, np.nan)
    p[exact] = _exact(ranks[exact], v[exact], alternative)
    p[rough] = _asymptotic(ranks[rough], v[rough], alternative)
    v = np.where(testable, v, np.nan)
    used = np.where(exact, "exact", np.where(rough, "asymptotic", NOT_TESTED))
    if single:
        return SignedRank(float(v[0]), float(p[0]), str(used[0]), int(n[0]))
    return SignedRank(v, p, used, n)


def _differences(x: ArrayLike, y: ArrayLike | None) -> np.ndarray:
    first = observations(x, name="x")
    if y is None:
        return first
    second = observations(y, name="y")
    if first.shape != second.shape:
        msg = (
            f"x has shape {first.shape} and y {second.shape}; pairs need the same shape and order."
        )
        raise InputError(msg)
    if (np.isinf(first) & (first == second)).any():
        msg = "x and y hold the same infinity in one pair, so it has no difference; drop it."
        raise InputError(msg)
    return first - second


def _exact(ranks: np.ndarray, v: np.ndarray, alternative: str) -> np.ndarray:
    p = np.ones(v.size)
    if not v.size:
        return p
    patterns, kind = np.unique(np.sort(ranks, axis=1), axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    doubled = np.rint(2 * v).astype(np.int64)
    members = np.split(np.argsort(kind, kind="stable"), np.cumsum(np.bincount(kind))[:-1])
    for pattern, rows in zip(patterns, members, strict=True):
        scores = tuple(pattern[pattern > 0].tolist())
        if scores:  # otherwise every difference is zero, and p stays 1
            p[rows] = signed_rank_null(scores).p_value(doubled[rows], alternative)
    return p


def _asymptotic(ranks: np.ndarray, v: np.ndarray, alternative: str) -> np.ndarray:
    scores = ranks / 2.0
    deviation = v - scores.sum(axis=1) / 2
    variance = (scores**2).sum(axis=1) / 4
    zero = variance == 0
    sigma = np.sqrt(np.where(zero, 1.0, variance))
    if alternative == "greater":
        p = ndtr(-(deviation - 0.5) / sigma)
    elif alternative == "less":
        p = ndtr((deviation + 0.5) / sigma)
    else:
        p = 2 * ndtr(-np.maximum(np.abs(deviation) - 0.5, 0) / sigma)
    return np.where(zero, 1.0, p)
