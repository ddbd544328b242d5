"""Exact permutation distributions of rank statistics, ties included.

Both are counted by the shift algorithm of Streitberg and Roehmel (1986): a table over (members
taken, sum of their scores) to which one score after the other is added. Midranks are doubled, moved
to start at 0 and divided by their greatest common divisor, so that scores are small integers and
counts are exact in float64 up to 2**53, and to 1e-13 relative beyond.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cartscope._errors import InputError

LARGEST_TABLE = 1 << 26  # float64 entries, half a GB
MOST_SIGNS = 1000  # 2**n overflows float64 soon after


@dataclass(frozen=True)
class Null:
    """Null distribution of an integer sum.

    ``low`` is the smallest possible sum, ``cdf[i]`` is P(sum < low + i), ``sf[i]`` is
    P(sum >= low + i), both of length (possible sums + 1); ``center`` / ``scale`` is the mean, kept
    as two integers so that distances from it compare exactly.
    """

    low: int
    cdf: np.ndarray
    sf: np.ndarray
    center: int
    scale: int

    def below(self, total: np.ndarray) -> np.ndarray:
        """Return P(sum <= total)."""
        return self.cdf[np.clip(total - self.low + 1, 0, self.cdf.size - 1)]

    def above(self, total: np.ndarray) -> np.ndarray:
        """Return P(sum >= total)."""
        return self.sf[np.clip(total - self.low, 0, self.sf.size - 1)]

    def p_value(self, total: np.ndarray, alternative: str) -> np.ndarray:
        """Return p; two-sided is P(sum at least as far from its mean as the one observed)."""
        if alternative == "greater":
            return self.above(total)
        if alternative == "less":
            return self.below(total)
        distance = np.abs(total * self.scale - self.center)
        lower = (self.center - distance) // self.scale
        upper = -((-self.center - distance) // self.scale)
        # at the mean both tails hold the observed sum, which makes more than 1
        return np.minimum(self.below(lower) + self.above(upper), 1.0)


def _tails(counts: np.ndarray, low: int, *, center: int, scale: int) -> Null:
    total = counts.sum()
    cdf = np.concatenate(([0.0], np.cumsum(counts))) / total
    sf = np.concatenate((np.cumsum(counts[::-1])[::-1], [0.0])) / total
    return Null(low, cdf, sf, center, scale)


def doubled_midranks(ties: tuple[int, ...]) -> np.ndarray:
    """Return twice the midranks of values tied in groups of these sizes, ascending.

    Parameters
    ----------
    ties
        Sizes of the groups, from the smallest value up.
    """
    sizes = np.asarray(ties, dtype=np.int64)
    ends = np.cumsum(sizes)
    return np.repeat(2 * ends - sizes + 1, sizes)


def _subset_sums(scores: np.ndarray, n: int) -> np.ndarray:
    """Count the n-subsets of ascending non-negative ``scores`` by their sum."""
    width = int(scores[scores.size - n :].sum()) + 1
    if (n + 1) * width > LARGEST_TABLE:
        msg = (
            f"the exact distribution of {n} v {scores.size - n} observations needs a table of "
            f"{(n + 1) * width:.1e} numbers; use method='auto' or 'asymptotic'."
        )
        raise InputError(msg)
    table = np.zeros((n + 1, width))
    table[0, 0] = 1.0
    reach = 0
    for i, score in enumerate(scores.tolist()):
        # the largest sum so far is that of the last n scores seen
        reach += score - (int(scores[i - n]) if i >= n else 0)
        rows = min(i + 1, n)
        # numpy buffers the overlap, so every row reads its neighbour as it was before this score
        table[1 : rows + 1, score : reach + 1] += table[:rows, : reach + 1 - score]
    return table[n]


@dataclass(frozen=True)
class RankSumNull:
    """Null of the doubled rank sum of ``n`` out of ``len(midranks)`` observations.

    ``ways[i]`` of the assignments have the doubled sum ``origin + step * (null.low + i)``.
    """

    null: Null
    origin: int
    step: int
    ways: np.ndarray

    def p_value(self, doubled: np.ndarray, alternative: str) -> np.ndarray:
        """Return the p-values of doubled rank sums."""
        return self.null.p_value((doubled - self.origin) // self.step, alternative)


@lru_cache(maxsize=128)
def rank_sum_null(ties: tuple[int, ...], n: int) -> RankSumNull:
    """Return the null of the rank sum of ``n`` observations among tied groups of given sizes.

    Parameters
    ----------
    ties
        Sizes of the groups of equal values, from the smallest value up; all 1 without ties.
    n
        Observations in the first sample, between 1 and one less than the sum of ``ties``.
    """
    doubled = doubled_midranks(ties)
    size = doubled.size
    scores = doubled - doubled[0]
    step = int(np.gcd.reduce(scores)) or 1
    scores //= step
    total = int(scores.sum())
    if 2 * n <= size:
        counts, low = _subset_sums(scores, n), 0
    else:
        # choosing n to take is choosing the rest to leave, which is the smaller table
        left = _subset_sums(scores, size - n)
        counts, low = left[::-1], total - left.size + 1
    null = _tails(counts, low, center=n * total, scale=size)
    return RankSumNull(null, n * int(doubled[0]), step, counts)


@lru_cache(maxsize=128)
def signed_rank_null(doubled: tuple[int, ...]) -> RankSumNull:
    """Return the null of the sum of those ranks whose difference is positive.

    Parameters
    ----------
    doubled
        Doubled midranks of the differences that are not zero, at least one.
    """
    if len(doubled) > MOST_SIGNS:
        msg = (
            f"the exact distribution of {len(doubled)} signed ranks is out of range (at most "
            f"{MOST_SIGNS}); use method='auto' or 'asymptotic'."
        )
        raise InputError(msg)
    scores = np.asarray(doubled, dtype=np.int64)
    step = int(np.gcd.reduce(scores))
    scores = scores // step
    total = int(scores.sum())
    counts = np.zeros(total + 1)
    counts[0] = 1.0
    reach = 0
    for score in scores.tolist():
        reach += score
        counts[score : reach + 1] += counts[: reach + 1 - score]
    return RankSumNull(_tails(counts, 0, center=total, scale=2), 0, step, counts)


def u_cdf(n_x: int, n_y: int) -> np.ndarray:
    """Return P(U <= u) for u = 0, ..., n_x n_y without ties.

    Parameters
    ----------
    n_x
        Observations in the first group.
    n_y
        Observations in the second group.
    """
    null = rank_sum_null((1,) * (n_x + n_y), n_x).null
    smallest = n_x * (n_x - 1) // 2
    return null.below(smallest + np.arange(n_x * n_y + 1))
