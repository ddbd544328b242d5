"""Cox-Reid adjusted (or posterior) dispersions of all genes at once, compiled.

Love, Huber and Anders 2014 (10.1186/s13059-014-0550-8): the dispersion of a gene maximises the
negative binomial log likelihood at given means, less half the log determinant of X'WX, plus a
normal prior on its logarithm in the second round.
"""

# ruff: noqa: PLR0913, PLR0917  (compiled functions are called by position)

from __future__ import annotations

import math

import numba
import numpy as np

from cartscope.tl.de._special import (
    cholesky,
    log_rising,
    log_rising_slope,
    solve_lower,
    solve_upper,
)

# A step along the slope that would gain less than this ends the search (R's dispTol).
_TOLERANCE = 1e-6
# A gain below this share of the starting value does not count: the start is kept.
_NO_INCREASE = 1e-6
_WIDEST_STEP = 2.0
_ROUNDS = 100
_NARROW = 1e-8  # of the log dispersion
_FLAT = 1e-9  # slope that counts as none


@numba.njit(cache=True, nogil=True)
def _weighted_gram(x, mu, alpha, gram, slope):
    n, p = x.shape
    for j in range(p):
        for m in range(j + 1):
            gram[j, m] = 0.0
            slope[j, m] = 0.0
    for i in range(n):
        w = mu[i] / (1.0 + mu[i] * alpha)
        dw = -alpha * w * w
        for j in range(p):
            if x[i, j] == 0.0:
                continue
            for m in range(j + 1):
                gram[j, m] += w * x[i, j] * x[i, m]
                slope[j, m] += dw * x[i, j] * x[i, m]


@numba.njit(cache=True, nogil=True)
def _value(y, mu, x, log_alpha, prior, gram, slope):
    alpha = math.exp(log_alpha)
    total = 0.0
    for i in range(y.shape[0]):
        total += log_rising(y[i], alpha) - (y[i] + 1.0 / alpha) * math.log1p(mu[i] * alpha)
        # constant in alpha, but the no-increase rule compares with the size of the likelihood
        total += y[i] * math.log(mu[i]) - math.lgamma(y[i] + 1.0)
    _weighted_gram(x, mu, alpha, gram, slope)
    if cholesky(gram):
        for j in range(gram.shape[0]):
            total -= math.log(gram[j, j])
    if prior[1] > 0.0:
        total -= (log_alpha - prior[0]) ** 2 / (2.0 * prior[1])
    return total


@numba.njit(cache=True, nogil=True)
def _slope(y, mu, x, log_alpha, prior, gram, slope, column):
    alpha = math.exp(log_alpha)
    total = 0.0
    for i in range(y.shape[0]):
        total += log_rising_slope(y[i], alpha) + math.log1p(mu[i] * alpha) / alpha
        total -= mu[i] * (1.0 + y[i] * alpha) / (1.0 + mu[i] * alpha)
    _weighted_gram(x, mu, alpha, gram, slope)
    p = gram.shape[0]
    if cholesky(gram):
        for j in range(p):  # trace of gram^-1 slope, a column at a time
            for m in range(p):
                column[m] = slope[m, j] if m >= j else slope[j, m]
            solve_lower(gram, column)
            solve_upper(gram, column)
            total -= 0.5 * column[j]
    if prior[1] > 0.0:
        total -= (log_alpha - prior[0]) / prior[1]
    return total


@numba.njit(cache=True, nogil=True)
def _climb(y, mu, x, start, bounds, prior, gram, slope, column):
    """Return the nearest maximum uphill of ``start``, and whether the rounds sufficed."""
    here = start
    if prior[1] <= 0.0 and here <= bounds[0]:
        return here, True  # a gene whose moments show no dispersion stays at the floor
    rise = _slope(y, mu, x, here, prior, gram, slope, column)
    if rise * rise < _TOLERANCE:
        return here, True
    up = 1.0 if rise > 0.0 else -1.0
    step = min(max(abs(rise), 0.05), _WIDEST_STEP)
    rounds = 0
    while rounds < _ROUNDS:
        rounds += 1
        there = min(max(here + up * step, bounds[0]), bounds[1])
        rise_there = _slope(y, mu, x, there, prior, gram, slope, column)
        if rise_there * up <= 0.0:
            break
        if there in (bounds[0], bounds[1]):
            return there, True
        here, rise = there, rise_there
        step = min(2.0 * step, _WIDEST_STEP)
    low, low_rise, high, high_rise = here, rise, there, rise_there
    while rounds < _ROUNDS and abs(high - low) > _NARROW:
        rounds += 1
        # false position, halving the stubborn end's weight (Illinois rule)
        middle = (low * high_rise - high * low_rise) / (high_rise - low_rise)
        value = _slope(y, mu, x, middle, prior, gram, slope, column)
        if abs(value) < _FLAT:
            return middle, True
        if value * high_rise < 0.0:
            low, low_rise = high, high_rise
        else:
            low_rise *= 0.5
        high, high_rise = middle, value
    return high, rounds < _ROUNDS


@numba.njit(cache=True, nogil=True)
def fit_dispersions(
    counts: np.ndarray,
    mu: np.ndarray,
    x: np.ndarray,
    start: np.ndarray,
    center: np.ndarray,
    prior_var: float,
    min_disp: float,
    max_disp: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the dispersion of every gene and whether its search ended.

    Parameters
    ----------
    counts
        Genes x samples, float.
    mu
        Genes x samples, fitted means, positive.
    x
        Samples x coefficients.
    start
        Where the search of each gene starts.
    center
        Mean of the prior of each gene's dispersion; used if ``prior_var`` is positive.
    prior_var
        Variance of the prior of the log dispersion; 0 for none.
    min_disp
        Floor.
    max_disp
        Ceiling.
    """
    genes, p = counts.shape[0], x.shape[1]
    out = np.empty(genes)
    ended = np.empty(genes, dtype=np.bool_)
    gram, slope, column = np.empty((p, p)), np.empty((p, p)), np.empty(p)
    bounds = (math.log(min_disp), math.log(max_disp))
    for g in range(genes):
        y, m = counts[g], mu[g]
        prior = (math.log(center[g]), prior_var)
        first = min(max(math.log(start[g]), bounds[0]), bounds[1])
        last, ended[g] = _climb(y, m, x, first, bounds, prior, gram, slope, column)
        if prior_var <= 0.0 and last != first:
            before = _value(y, m, x, first, prior, gram, slope)
            after = _value(y, m, x, last, prior, gram, slope)
            if after < before + abs(before) * _NO_INCREASE:
                last = first
        out[g] = math.exp(last)
    return out, ended
