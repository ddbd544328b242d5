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

_TOLERANCE = 1e-6  # a step that gains less ends the search (R's dispTol)
_ROUNDS = 100  # R's maxit
_FIRST_STEP = 1.0  # times the slope (R's kappa_0)
_ARMIJO = 1e-4  # share of the gain promised by the slope that a step must keep
# no paper or manual gives the next two: with them the search takes as many rounds as R reports
_GROWTH = 1.1  # of the step after one that was taken
_EVERY = 5  # steps taken before the step is halved
_NO_INCREASE = 1e-6  # a gain below this share of the starting value does not count
_GRID = 20
_NEAR_FLOOR = math.log(10.0)
_LOWEST, _HIGHEST = -30.0, 10.0  # of the log dispersion, while searching


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
def _climb(y, mu, x, start, floor, prior, gram, slope, column):
    """Return where the line search ends, its value there, its rounds, and whether it settled."""
    here = start
    value = _value(y, mu, x, here, prior, gram, slope)
    rise = _slope(y, mu, x, here, prior, gram, slope, column)
    step, taken = _FIRST_STEP, 0
    for rounds in range(1, _ROUNDS + 1):
        there = min(max(here + step * rise, _LOWEST), _HIGHEST)
        reached = _value(y, mu, x, there, prior, gram, slope)
        if reached < value + _ARMIJO * step * rise * rise:
            step *= 0.5
            continue
        taken += 1
        gain, here, value = reached - value, there, reached
        if gain < _TOLERANCE or here < floor:
            return here, value, rounds, rounds < _ROUNDS
        rise = _slope(y, mu, x, here, prior, gram, slope, column)
        step = min(step * _GROWTH, _FIRST_STEP)
        if taken % _EVERY == 0:
            step *= 0.5
    return here, value, _ROUNDS, False


@numba.njit(cache=True, nogil=True)
def _on_grid(y, mu, x, bounds, prior, gram, slope):
    """Return the best of a coarse grid over the whole range, refined once."""
    low, width = bounds[0], (bounds[1] - bounds[0]) / (_GRID - 1)
    best = low
    for _ in range(2):
        highest = -math.inf
        for i in range(_GRID):
            value = _value(y, mu, x, low + i * width, prior, gram, slope)
            if value > highest:
                best, highest = low + i * width, value
        low, width = best - width, 2.0 * width / (_GRID - 1)
    return best


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
    floor = bounds[0] - _NEAR_FLOOR
    for g in range(genes):
        y, m = counts[g], mu[g]
        prior = (math.log(center[g]), prior_var)
        first = math.log(start[g])
        before = _value(y, m, x, first, prior, gram, slope)
        last, after, rounds, settled = _climb(y, m, x, first, floor, prior, gram, slope, column)
        if prior_var <= 0.0 and after < before + abs(before) * _NO_INCREASE:
            last = first
        # without a prior, a search that ends at its first step has found nothing either
        found = settled and (rounds > 1 or prior_var > 0.0)
        if not found and last > bounds[0] + _NEAR_FLOOR:
            last = _on_grid(y, m, x, bounds, prior, gram, slope)
        out[g], ended[g] = math.exp(min(max(last, bounds[0]), bounds[1])), settled
    return out, ended
