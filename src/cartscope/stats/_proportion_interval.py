from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import betaincinv

from cartscope._errors import InputError
from cartscope.stats._arrays import fraction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Proportion(NamedTuple):
    """Result of :func:`proportion_interval`, each a share between 0 and 1 or an array of them."""

    estimate: Any
    low: Any
    high: Any


def proportion_interval(k: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> Proportion:
    """Exact (Clopper-Pearson) interval of a proportion, as R's ``binom.test``.

    Parameters
    ----------
    k
        Successes, whole numbers; any shape that broadcasts with ``n``.
    n
        Trials, whole numbers. With no trial the estimate is NaN and the interval 0 to 1.
    confidence
        Coverage that is guaranteed at least.

    Returns
    -------
    estimate, low, high.

    Raises
    ------
    InputError
        If a count is negative, not whole, or k exceeds n.

    References
    ----------
    Clopper and Pearson 1934, :doi:`10.1093/biomet/26.4.404`.

    Examples
    --------
    >>> from cartscope.stats import proportion_interval
    >>> tuple(round(v, 3) for v in proportion_interval(8, 15))
    (0.533, 0.266, 0.787)
    """
    tail = (1 - fraction(confidence, name="confidence")) / 2
    hits, trials = np.broadcast_arrays(
        np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    )
    # written so that NaN counts as bad
    bad = ~((hits >= 0) & (hits <= trials) & (hits == np.rint(hits)) & (trials == np.rint(trials)))
    if bad.any():
        msg = (
            f"k = {hits[bad].flat[0]:g} of n = {trials[bad].flat[0]:g} is no count of successes; "
            "k and n must be whole numbers with 0 <= k <= n."
        )
        raise InputError(msg)
    if np.isinf(trials).any():
        msg = "n holds an infinity; give the number of trials."
        raise InputError(msg)
    none, every = hits == 0, hits == trials
    low = np.where(none, 0.0, betaincinv(np.where(none, 1.0, hits), trials - hits + 1, tail))
    high = np.where(every, 1.0, betaincinv(hits + 1, np.where(every, 1.0, trials - hits), 1 - tail))
    estimate = np.where(trials > 0, hits / np.maximum(trials, 1), np.nan)
    if hits.ndim == 0:
        return Proportion(float(estimate), float(low), float(high))
    return Proportion(estimate, low, high)
