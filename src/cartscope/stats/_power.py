"""Power of the exact U test between two normal groups that differ by a shift.

Sweep a point t from below all values to above them. Let P(i, j, u) be the expected number of ways
to choose i values of x and j of y that lie below t, in an order in which u pairs have x above y.
Values arrive one at a time, so that ``dP(i, j, u) / dt`` is
``(n_x - i + 1) f(t) P(i - 1, j, u - j) + (n_y - j + 1) g(t) P(i, j - 1, u)`` with densities f, g;
at the end ``P(n_x, n_y, u)`` is the probability of u. Each P is the integral of its two
predecessors, so all are had one after the other by Gauss-Legendre quadrature on panels of at
most one standard deviation, to nine digits and without simulation.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial import legendre
from scipy.special import ndtr, ndtri, owens_t

from cartscope._check import one_of
from cartscope._errors import InputError
from cartscope.stats._arrays import ALTERNATIVES, Alternative, fraction, group_size
from cartscope.stats._null import u_cdf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LARGEST = 350_000  # states of the sweep; beyond, U is taken as normal
EXACT_PAIRS = 10_000  # n_x n_y up to which the critical value is exact
REACH = 7.0  # standard deviations swept on either side
PANEL_NODES = 16
PANEL_PATIENTS = 30  # of one group, for which panels of one standard deviation are narrow enough
SATURATED = 50.0  # an effect that separates any groups
ROOT_TOLERANCE = 1e-4


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
    integration, not simulated; for groups of more than about 30 the distribution of U under the
    shift is taken as normal, with its exact mean and variance (Lehmann 1975); that is within 0.01
    unless one group is tiny.

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
    :func:`power` equals ``target``, found by root search to 0.0001.

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
    kind, sides = ("two-sided", 2) if alternative == "two-sided" else ("greater", 1)
    if _critical(first, second, alpha=level, alternative=kind) < 0:
        return math.inf

    def miss(effect: float) -> float:
        return _power(first, second, effect=effect, alpha=level, alternative=kind) - wanted

    # each step of the search is a sweep: start from a bracket around the t-test's answer
    high = (ndtri(wanted) - ndtri(level / sides)) * math.sqrt(1 / first + 1 / second)
    low = 0.95 * high
    while miss(high) < 0 and high < SATURATED:
        low, high = high, 1.2 * high
    if miss(low) > 0:
        low = 0.0
        if miss(low) >= 0:  # the normal approximation can overstate the size by a hair
            return low
    return float(brentq(miss, low, high, xtol=ROOT_TOLERANCE))


def _critical(n_x: int, n_y: int, *, alpha: float, alternative: str) -> int:
    """Return the largest U that rejects at the lower end, -1 where none does."""
    tail = alpha / 2 if alternative == "two-sided" else alpha
    pairs = n_x * n_y
    if pairs > EXACT_PAIRS:
        sigma = math.sqrt(pairs * (n_x + n_y + 1) / 12)
        return max(-1, math.floor(pairs / 2 - 0.5 + float(ndtri(tail)) * sigma))
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


@lru_cache(maxsize=1)
def _panel() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Gauss-Legendre nodes and weights on [-1, 1], and integrals from -1 up to each node."""
    nodes, weights = legendre.leggauss(PANEL_NODES)
    values = legendre.legvander(nodes, PANEL_NODES)
    degree = np.arange(PANEL_NODES)
    integrals = np.empty((PANEL_NODES, PANEL_NODES))
    integrals[:, 0] = nodes + 1
    integrals[:, 1:] = (values[:, 2:] - values[:, :-2]) / (2 * degree[1:] + 1)
    coefficients = (2 * degree[:, None] + 1) / 2 * (values[:, :-1] * weights[:, None]).T
    return nodes, weights, integrals @ coefficients


def _swept_tail(n_x: int, n_y: int, *, critical: int, effect: float) -> float:
    """Return P(U <= critical) with x shifted up by ``effect``."""
    nodes, weights, upto = _panel()
    edge = REACH + abs(effect) / 2
    panels = math.ceil(2 * edge * max(1.0, max(n_x, n_y) / PANEL_PATIENTS))
    half = edge / panels  # half the width of a panel
    t = -edge + half * (2 * np.arange(panels)[:, None] + 1 + nodes)
    f = half * np.exp(-((t - effect / 2) ** 2) / 2) / math.sqrt(2 * math.pi)
    g = half * np.exp(-((t + effect / 2) ** 2) / 2) / math.sqrt(2 * math.pi)

    def integrate(rate: np.ndarray) -> np.ndarray:
        done = np.cumsum(rate @ weights, axis=1)
        grown = rate @ upto.T
        grown[:, 1:] += done[:, :-1, None]
        return grown

    def flow(i: int, j: int, *, before: dict[int, np.ndarray], same: Any) -> np.ndarray:
        # u can't exceed i j, and x still to come lie above j of y each at least
        rows = min(i * j, critical - (n_x - i) * j) + 1
        rate = np.zeros((max(rows, 0), panels, PANEL_NODES))
        if i and j in before:
            part = before[j][: max(rows - j, 0)]
            rate[j : j + len(part)] += (n_x - i + 1) * f * part
        if same is not None:
            part = same[: len(rate)]
            rate[: len(part)] += (n_y - j + 1) * g * part
        return rate

    before: dict[int, np.ndarray] = {}
    for i in range(n_x + 1):
        now: dict[int, np.ndarray] = {}
        for j in range(n_y + 1):
            if i == j == 0:
                now[j] = np.ones((1, panels, PANEL_NODES))
                continue
            rate = flow(i, j, before=before, same=now.get(j - 1))
            if i == n_x and j == n_y:
                return float((rate @ weights).sum())
            now[j] = integrate(rate)
        before = now
    return 1.0


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
