"""Exact null of a rank sum within strata: the nulls of the strata, weighted and added."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cartscope._errors import InputError
from cartscope.stats._null import rank_sum_null

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

# sizes of its groups of ties, observations of the first group
Stratum = tuple[tuple[int, ...], int]
LARGEST_SUPPORT = 1 << 22  # sums sorted at a time: half a second


def van_elteren_weights(sizes: ArrayLike) -> np.ndarray:
    """Return van Elteren's weights 1 / (size + 1) times their least common denominator.

    Parameters
    ----------
    sizes
        Observations of each stratum.
    """
    more = np.asarray(sizes, dtype=np.int64) + 1
    return math.lcm(*more.tolist()) // more


@dataclass(frozen=True)
class StratifiedNull:
    """Null of a weighted sum of doubled rank sums: its values, ascending, and the ways to each.

    Ways are whole numbers, so that p-values are rounded once where there are fewer than 2**53, and
    keep their relative precision beyond.
    """

    values: np.ndarray
    ways: np.ndarray
    mean: int

    def p_value(self, total: np.ndarray, alternative: str) -> np.ndarray:
        """Return p; two-sided is P(at least as far from the mean as the one observed)."""
        total = np.asarray(total)
        up = np.append(np.cumsum(self.ways[::-1])[::-1], 0.0)
        down = np.append(0.0, np.cumsum(self.ways))

        def above(t: np.ndarray) -> np.ndarray:
            return up[np.searchsorted(self.values, t, side="left")]

        def below(t: np.ndarray) -> np.ndarray:
            return down[np.searchsorted(self.values, t, side="right")]

        if alternative == "greater":
            ways = above(total)
        elif alternative == "less":
            ways = below(total)
        else:
            distance = np.abs(total - self.mean)
            ways = above(self.mean + distance) + below(self.mean - distance)
        # at the mean both tails hold the observed sum, which makes more than 1
        return np.minimum(ways / down[-1], 1.0)

    def smallest(self, alternative: str) -> float:
        """Return the smallest p of any value."""
        return float(self.p_value(self.values[[0, -1]], alternative).min())

    def level(self, alpha: float, alternative: str) -> float:
        """Return the largest p below alpha, 0 where there is none."""
        p = self.p_value(self.values, alternative)
        return float(p[p < alpha].max(initial=0.0))


@lru_cache(maxsize=256)
def stratified_null(strata: tuple[Stratum, ...]) -> StratifiedNull:
    """Return the null of van Elteren's statistic, weights and ranks as whole numbers.

    Parameters
    ----------
    strata
        Of each: sizes of its groups of ties from the smallest value up, and the number of its
        observations in the first group, at least one and not all.
    """
    if not is_countable(strata):
        msg = (
            f"the exact distribution over {len(strata)} strata of different sizes has more than "
            f"{LARGEST_SUPPORT:,} sums; use method='asymptotic'."
        )
        raise InputError(msg)
    sizes = np.array([sum(ties) for ties, _ in strata])
    weights = van_elteren_weights(sizes).tolist()
    values, ways, mean = np.zeros(1, dtype=np.int64), np.ones(1), 0
    for (ties, n), size, weight in zip(strata, sizes.tolist(), weights, strict=True):
        one = rank_sum_null(ties, n)
        there = np.flatnonzero(one.ways)
        more = weight * (one.origin + one.step * (one.null.low + there))
        values, where = np.unique(np.add.outer(values, more).ravel(), return_inverse=True)
        ways = np.bincount(where, weights=np.multiply.outer(ways, one.ways[there]).ravel())
        mean += weight * n * (size + 1)
    return StratifiedNull(values, ways, mean)


def is_countable(strata: tuple[Stratum, ...]) -> bool:
    """Say whether the exact distribution is small enough to be counted.

    Parameters
    ----------
    strata
        As in :func:`stratified_null`.
    """
    sizes = np.array([sum(ties) for ties, _ in strata])
    weights = van_elteren_weights(sizes)
    step = int(np.gcd.reduce(weights))
    support, reach = 1, 0
    for (_, n), size, weight in zip(strata, sizes.tolist(), weights.tolist(), strict=True):
        sums = 2 * n * (size - n) + 1  # of doubled midranks
        if support * sums > LARGEST_SUPPORT:
            return False
        reach += weight // step * (sums - 1)
        support = min(support * sums, reach + 1)
    return True


def untied(n_x: Sequence[int], n_y: Sequence[int]) -> tuple[Stratum, ...]:
    """Return strata without ties, those of one group left out.

    Parameters
    ----------
    n_x
        Observations of the first group in each stratum.
    n_y
        Observations of the second.
    """
    both = zip(n_x, n_y, strict=True)
    return tuple(((1,) * (a + b), int(a)) for a, b in both if a and b)
