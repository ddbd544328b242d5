"""Robust moderation: a gene far more variable than the prior allows is held by its own variance."""

from __future__ import annotations

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import rankdata

_HALF = float(np.log(0.5))


def robust_prior_freedom(
    sigma2: np.ndarray, freedom: np.ndarray, *, prior_freedom: float, prior_variance: float
) -> np.ndarray:
    """Return the prior degrees of freedom of every gene: fewer the less it fits the prior.

    A wild count makes a gene's variance large, and a prior of many degrees of freedom would pull it
    back to that of the others. A gene whose variance has a smaller chance under the prior than its
    rank among all genes keeps a share of it only; the most variable one keeps as much as makes its
    variance the median of what the prior allows (Phipson et al. 2016, 10.1214/16-AOAS920).

    Parameters
    ----------
    sigma2
        Residual variances.
    freedom
        Their degrees of freedom, positive.
    prior_freedom
        Of the prior that all genes share, finite.
    prior_variance
        Its variance.
    """
    out = np.full(sigma2.shape, prior_freedom)
    if prior_freedom == 0 or not sigma2.size:
        return out
    ratio = sigma2 / prior_variance
    log_tail = f_distribution.logsf(ratio, freedom, prior_freedom)
    log_expected = np.log((rankdata(log_tail, method="average") - 0.5) / log_tail.size)
    belongs = np.exp(np.minimum(log_tail - log_expected, 0))
    if (belongs == 1).all():
        return out
    worst = int(np.argmin(log_tail))
    least = prior_freedom * _HALF / log_tail[worst]
    # log tails are nearly linear in the degrees of freedom: one more step is enough
    least *= _HALF / f_distribution.logsf(ratio[worst], freedom[worst], least)
    out = belongs * prior_freedom + (1 - belongs) * min(least, prior_freedom)
    order = np.argsort(log_tail, kind="stable")
    # who fits the prior better keeps at least as much of it
    out[order] = np.maximum.accumulate(out[order])
    return out
