"""Power of the exact U test between two normal groups that differ by a shift.

Sweep a point t from below all values to above them. Let P(i, j, u) be the expected number of ways
to choose i values of x and j of y that lie below t, in an order in which u pairs have x above y.
Values arrive one at a time, so that ``dP(i, j, u) / dt`` is
``(n_x - i + 1) f(t) P(i - 1, j, u - j) + (n_y - j + 1) g(t) P(i, j - 1, u)`` with densities f, g;
at the end ``P(n_x, n_y, u)`` is the probability of u. That is linear and smooth, so the power is
had to six digits without simulation.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.special import ndtr, owens_t

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.stats._arrays import ALTERNATIVES, Alternative, fraction, group_size
from cartscope.stats._null import u_cdf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LARGEST = 100_000  # states of the sweep; beyond, U is taken as normal
REACH = 8.5  # standard deviations swept on either side
SATURATED = 50.0  # an effect that separates any groups
ROOT_TOLERANCE = 1e-6


def power(
    n_x: int,
    n_y: int,
    *,
    effect: ArrayLike,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> Any:
    """Return the power of the exact U test between normal groups of equal variance.

    The test rejects where the exact p without ties is at most ``alpha``. Power is computed by
    integration, not simulated; for groups of more than about 23 the distribution of U under the
    shift is taken as normal, with its exact mean and variance (Lehmann 1975).

    Parameters
    ----------
    n_x
        Observations in the first group.
    n_y
        Observations in the second group.
    effect
        Mean of x less mean of y, in standard deviations between patients; any shape.
    alpha
        Level of the single test; for the best of m tests give alpha / m.
    alternative
        Of the test.

    Returns
    -------
    Probability of rejection: a float, or an array of the shape of ``effect``.

    Raises
    ------
    InputError
        If a size, level or effect is impossible.

    References
    ----------
    Lehmann 1975, Nonparametrics: Statistical Methods Based on Ranks.

    Examples
    --------
    >>> from cartscope.stats import power
    >>> round(power(4, 6, effect=1), 2), round(power(4, 6, effect=2), 2)
    (0.22, 0.69)
    """
    first, second = group_size(n_x, name="n_x"), group_size(n_y, name="n_y")
    level = fraction(alpha, name="alpha")
    one_of(alternative, ALTERNATIVES, name="alternative")
    shifts = np.asarray(effect, dtype=np.float64)
    if not np.isfinite(shifts).all():
        msg = f"effect is {effect!r}; give finite numbers of standard deviations."
        raise InputError(msg)
    each = shifts.ravel().tolist()
    out = [_power(first, second, effect=d, alpha=level, alternative=alternative) for d in each]
    return out[0] if shifts.ndim == 0 else np.array(out).reshape(shifts.shape)


def detectable_effect(
    n_x: int,
    n_y: int,
    *,
    target: float = 0.8,
    alpha: float = 0.05,
    alternative: Alternative = "two-sided",
) -> float:
    """Return the smallest standardised effect that the exact U test finds with the wanted power.

    The effect is the difference of means in standard deviations between patients at which
    :func:`power` equals ``target``, found by root search.

    Parameters
    ----------
    n_x
        Observations in the first group.
    n_y
        Observations in the second group.
    target
        Power wanted.
    alpha
        Level of the single test.
    alternative
        Of the test; one-sided effects are given in the direction tested.

    Returns
    -------
    Standard deviations, above 0; infinity where no effect can reach ``alpha`` with these groups
    (:func:`smallest_p` is above it).

    Raises
    ------
    InputError
        If a size or level is impossible, or ``target`` isn't above ``alpha``.

    Examples
    --------
    >>> from cartscope.stats import detectable_effect
    >>> round(detectable_effect(6, 4), 2), detectable_effect(3, 3, alpha=0.05)
    (2.28, inf)
    """
    from scipy.optimize import brentq

    first, second = group_size(n_x, name="n_x"), group_size(n_y, name="n_y")
    level, wanted = fraction(alpha, name="alpha"), fraction(target, name="target")
    one_of(alternative, ALTERNATIVES, name="alternative")
    if wanted <= level:
        msg = f"target is {target}, not above alpha = {alpha}: no effect is needed for that."
        raise InputError(msg)
    kind = "two-sided" if alternative == "two-sided" else "greater"
    if _critical(first, second, alpha=level, alternative=kind) < 0:
        return math.inf

    def miss(effect: float) -> float:
        return _power(first, second, effect=effect, alpha=level, alternative=kind) - wanted

    high = 1.0
    while miss(high) < 0 and high < SATURATED:
        high *= 2
    return float(brentq(miss, 0.0, high, xtol=ROOT_TOLERANCE))


def _critical(n_x: int, n_y: int, *, alpha: float, alternative: str) -> int:
    """Return the largest U that rejects at the lower end, -1 where none does."""
    tail = alpha / 2 if alternative == "two-sided" else alpha
    # a p that equals alpha rejects, whatever its last bit
    return int(np.searchsorted(u_cdf(n_x, n_y), tail * (1 + 1e-12), side="right")) - 1


def _power(n_x: int, n_y: int, *, effect: float, alpha: float, alternative: str) -> float:
    critical = _critical(n_x, n_y, alpha=alpha, alternative=alternative)
    if critical < 0:
        return 0.0
    swept = (n_x + 1) * (n_y + 1) * (critical + 1) <= LARGEST
    tail = _swept_tail if swept else _normal_tail
    # mirrored, the upper tail of U is the lower tail at the opposite effect
    up = tail(n_x, n_y, critical=critical, effect=-effect) if alternative != "less" else 0.0
    down = tail(n_x, n_y, critical=critical, effect=effect) if alternative != "greater" else 0.0
    return min(1.0, max(0.0, up + down))


@lru_cache(maxsize=16)
def _arrivals(n_x: int, n_y: int, *, critical: int) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return the matrices by which one more x, or one more y, changes the state."""
    shape = (n_x + 1, n_y + 1, critical + 1)
    i, j, u = (axis.ravel() for axis in np.indices(shape))
    state = np.arange(i.size)
    by_x = (i > 0) & (u >= j)
    from_x = np.ravel_multi_index((i[by_x] - 1, j[by_x], u[by_x] - j[by_x]), shape)
    by_y = j > 0
    from_y = np.ravel_multi_index((i[by_y], j[by_y] - 1, u[by_y]), shape)
    size = (i.size, i.size)
    x = sparse.csr_array((n_x - i[by_x] + 1.0, (state[by_x], from_x)), shape=size)
    y = sparse.csr_array((n_y - j[by_y] + 1.0, (state[by_y], from_y)), shape=size)
    return x, y


def _swept_tail(n_x: int, n_y: int, *, critical: int, effect: float) -> float:
    """Return P(U <= critical) with x shifted up by ``effect``."""
    from scipy.integrate import solve_ivp

    x, y = _arrivals(n_x, n_y, critical=critical)
    start = np.zeros(x.shape[0])
    start[0] = 1.0
    half = effect / 2

    def rate(t: float, p: np.ndarray) -> np.ndarray:
        f = math.exp(-((t - half) ** 2) / 2) / math.sqrt(2 * math.pi)
        g = math.exp(-((t + half) ** 2) / 2) / math.sqrt(2 * math.pi)
        return f * (x @ p) + g * (y @ p)

    edge = REACH + abs(half)
    done = solve_ivp(
        rate,
        (-edge, edge),
        start,
        method="DOP853",
        rtol=1e-7,
        atol=1e-9,
        max_step=0.5,
        t_eval=[edge],
    )
    return float(done.y[-critical - 1 :, -1].sum())


def _normal_tail(n_x: int, n_y: int, *, critical: int, effect: float) -> float:
    """Return P(U <= critical) from the mean and variance of U under the shift."""
    height = effect / math.sqrt(2)
    one = float(ndtr(height))
    # two x above one y, or one x above two y: a bivariate normal with correlation one half
    both = one - 2 * float(owens_t(height, 1 / math.sqrt(3)))
    pairs = n_x * n_y
    variance = pairs * (one * (1 - one) + (n_x + n_y - 2) * (both - one**2))
    if variance <= 0:
        return float(critical >= pairs * one)
    return float(ndtr((critical + 0.5 - pairs * one) / math.sqrt(variance)))
