from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.stats._arrays import (
    ALTERNATIVES,
    Alternative,
    fraction,
    group_size,
    observations,
    refuse_nan,
)
from cartscope.stats._null import rank_sum_null
from cartscope.stats._ranks import rank_rows, tie_sizes
from cartscope.stats._stratified_null import Stratum, stratified_null, untied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


def smallest_p(
    n_x: int | Sequence[int],
    n_y: int | Sequence[int],
    *,
    alternative: Alternative = "two-sided",
    pooled: ArrayLike | None = None,
) -> float:
    """Return the smallest p the exact U test can give with these group sizes.

    Parameters
    ----------
    n_x
        Observations in the first group; one number per stratum for :func:`van_elteren`.
    n_y
        Observations in the second group.
    alternative
        Of the test.
    pooled
        The values of both groups together, in any order: with ties among them the floor is higher.
        Without it no ties are supposed.

    Returns
    -------
    A p-value; 1 where the test can't reject at all.

    Raises
    ------
    InputError
        If a size isn't a whole number of at least 1 (0 is one in a stratum), ``pooled`` hasn't
        n_x + n_y values, or it is given together with strata.

    Examples
    --------
    >>> from cartscope.stats import smallest_p
    >>> round(smallest_p(6, 4), 4), round(smallest_p(10, 6), 5), round(smallest_p(4, 3), 3)
    (0.0095, 0.00025, 0.057)
    >>> round(smallest_p([10, 2], [6, 2]), 6), round(smallest_p([10, 0], [6, 4]), 5)
    (4.2e-05, 0.00025)
    """
    one_of(alternative, ALTERNATIVES, name="alternative")
    if not (isinstance(n_x, Real) and isinstance(n_y, Real)):
        strata = _strata(n_x, n_y, pooled)
        return stratified_null(strata).smallest(alternative) if strata else 1.0
    first, second = group_size(n_x, name="n_x"), group_size(n_y, name="n_y")
    if pooled is None:
        ways = math.comb(first + second, first)
        return min(1.0, (2 if alternative == "two-sided" else 1) / ways)
    ties, ends = _ties_and_ranks(pooled, first=first, second=second)
    null = rank_sum_null(ties, first)
    extremes = np.array([ends[:first].sum(), ends[second:].sum()])
    return float(null.p_value(extremes, alternative).min())


def attainable_level(
    n_x: int | Sequence[int],
    n_y: int | Sequence[int],
    *,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
    pooled: ArrayLike | None = None,
) -> float:
    """Return how often the exact U test gives p < alpha where nothing differs.

    Few patients have few p-values: this is the largest of them below alpha, the level that the
    test really has.

    Parameters
    ----------
    n_x
        Observations in the first group; one number per stratum for :func:`van_elteren`.
    n_y
        Observations in the second group.
    alpha
        The level asked for.
    alternative
        Of the test.
    pooled
        The values of both groups together, in any order; without it no ties are supposed.

    Returns
    -------
    A probability; 0 where the test can't reject at all.

    Raises
    ------
    InputError
        If a size isn't a whole number of at least 1 (0 is one in a stratum), ``pooled`` hasn't
        n_x + n_y values, or it is given together with strata.

    Examples
    --------
    >>> from cartscope.stats import attainable_level
    >>> round(attainable_level(4, 6), 4), attainable_level(3, 3)
    (0.0381, 0.0)
    """
    one_of(alternative, ALTERNATIVES, name="alternative")
    level = fraction(alpha, name="alpha")
    if not (isinstance(n_x, Real) and isinstance(n_y, Real)):
        strata = _strata(n_x, n_y, pooled)
        return stratified_null(strata).level(level, alternative) if strata else 0.0
    first, second = group_size(n_x, name="n_x"), group_size(n_y, name="n_y")
    ties = (1,) * (first + second)
    if pooled is not None:
        ties, _ = _ties_and_ranks(pooled, first=first, second=second)
    null = rank_sum_null(ties, first).null
    sums = null.low + np.arange(null.cdf.size - 1)
    p = null.p_value(sums[np.diff(null.cdf) > 0], alternative)
    return float(p[p < level].max(initial=0.0))


def smallest_q(min_p: float, family_size: int, *, n_at_floor: int = 1) -> float:
    """Return the smallest q after Benjamini-Hochberg that tests with a floor can give.

    Parameters
    ----------
    min_p
        Smallest p of each test, as :func:`smallest_p` gives it.
    family_size
        Tests adjusted together.
    n_at_floor
        How many of them reach the floor; the more do, the smaller q gets.

    Returns
    -------
    A q-value, at most 1.

    Raises
    ------
    InputError
        If ``min_p`` is no p-value or ``n_at_floor`` exceeds the family.

    Examples
    --------
    >>> from cartscope.stats import smallest_q
    >>> round(smallest_q(2 / 210, 100), 3), round(smallest_q(2 / 210, 100, n_at_floor=10), 3)
    (0.952, 0.095)
    """
    tests = group_size(family_size, name="family_size")
    hits = group_size(n_at_floor, name="n_at_floor")
    _require_p(min_p)
    if hits > tests:
        msg = f"n_at_floor is {hits}, more than the family of {tests} tests."
        raise InputError(msg)
    return min(1.0, min_p * tests / hits)


def n_at_floor_needed(min_p: float, family_size: int, *, alpha: float = 0.05) -> int | None:
    """Return how many tests must sit at their floor before any of them gets q below alpha.

    Parameters
    ----------
    min_p
        Smallest p of each test.
    family_size
        Tests adjusted together.
    alpha
        Level of q, not itself reached.

    Returns
    -------
    A number of tests; None where even all of them at the floor don't get there.

    Examples
    --------
    >>> from cartscope.stats import n_at_floor_needed
    >>> n_at_floor_needed(2 / 210, 100, alpha=0.1)
    10
    """
    tests = group_size(family_size, name="family_size")
    _require_p(min_p)
    level = fraction(alpha, name="alpha")
    if min_p >= level:
        return None
    needed = max(1, math.floor(min_p * tests / level))
    while smallest_q(min_p, tests, n_at_floor=needed) >= level:
        needed += 1
    return needed


def _strata(
    n_x: int | Sequence[int], n_y: int | Sequence[int], pooled: ArrayLike | None
) -> tuple[Stratum, ...]:
    """Return the strata that hold both groups."""
    if pooled is not None:
        msg = "pooled holds the values of one stratum; with numbers per stratum leave it out."
        raise InputError(msg)
    sizes = []
    for name, n in (("n_x", n_x), ("n_y", n_y)):
        each = [n] if isinstance(n, Real) else list(n)
        sizes.append([0 if one == 0 else group_size(one, name=name) for one in each])
    if len(sizes[0]) != len(sizes[1]):
        msg = (
            f"n_x names {len(sizes[0])} strata and n_y {len(sizes[1])}; give both numbers of each."
        )
        raise InputError(msg)
    return untied(*sizes)


def _require_p(min_p: float) -> None:
    if not 0 <= min_p <= 1:
        msg = f"min_p is {min_p!r}; p-values lie between 0 and 1."
        raise InputError(msg)


def _ties_and_ranks(
    pooled: ArrayLike, *, first: int, second: int
) -> tuple[tuple[int, ...], np.ndarray]:
    """Return the sizes of groups of ties, and the doubled midranks in order."""
    values = observations(pooled, name="pooled")
    refuse_nan(values, name="pooled")
    if values.shape != (first + second,):
        msg = f"pooled has shape {values.shape}; give the n_x + n_y = {first + second} values."
        raise InputError(msg)
    ranked = rank_rows(values[None, :])
    sizes = tie_sizes(ranked.starts[0], values.size)
    return tuple(sizes.tolist()), np.sort(ranked.ranks[0])
