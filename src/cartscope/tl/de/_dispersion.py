"""Cox-Reid adjusted (or posterior) dispersions of all genes at once, compiled.

Love, Huber and Anders 2014 (10.1186/s13059-014-0550-8): the dispersion of a gene maximises the
negative binomial log likelihood at given means, less half the log determinant of X'WX, plus a
normal prior on its logarithm in the second round.

With a prior, the maximum is found exactly: from the best point of a coarse grid a gene walks uphill
until the slope changes its sign, and the root of the slope between the last two points is found by
Chandrupatla's method (1997, 10.1016/S0965-9978(96)00051-8).

Without one the top is often flat, and where a search stops is part of the answer: through the
trend it moves every gene. So the gene-wise search ends where DESeq2's does. Its manual
(``estimateDispersionsGeneEst``) says: a backtracking search along the slope, with a first proposal
(``kappa_0``), an end once a step gains less than ``dispTol``, and a largest number of steps
(``maxit``). The rest was measured on the answers of DESeq2 1.38.3 to four designs of real counts:
in flat genes the log dispersion ends some 20 times its slope from the start, as if each proposal
were a twentieth shorter than the last; genes that the walk does not settle, and those that end
with the first step, lie on a grid of 20 points or on a second one about its best; a walk that
gains no more than rounding goes back to its start.

Measured on designs that had no part in this: of SIMULATED counts (``tests/tl/de/r``) 99.8% of the
gene-wise dispersions are within 1% of DESeq2's and standard errors of 99 genes in 100 within 0.1%;
on sparse real ones (``benchmarks/de_r.py``, 14 designs where genes are called, four of them those
above) the genes called at an FDR of 0.05 have a Jaccard index of 0.99 to 1, in 12 of 14 exactly 1.
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

_TOLERANCE = 1e-6  # of the log dispersion, so the relative error of a dispersion
_PACE = 1.0  # of walk and grid, in units of the log dispersion: maxima are not much narrower
_FIRST_PACE = 1.0  # kappa_0 of DESeq2's manual: the first proposal, in units of the slope
_SHORTER = 0.95  # what the next proposal keeps of the last one
_STEPS = 92  # of these; R's answers say that its own 100 (maxit of the manual) end there
_LEAST_GAIN = 1e-6  # dispTol of the manual; for a whole walk, in parts of the log likelihood
_ARMIJO = 1e-4  # the usual share of the promised gain: Nocedal and Wright, section 3.1
_POINTS = 20  # of either grid


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
def _root(y, mu, x, near, near_slope, far, far_slope, prior, gram, slope, column):
    """Return where the slope, of opposite signs at both ends, is zero: Chandrupatla's method."""
    a, fa, b, fb, share = near, near_slope, far, far_slope, 0.5
    while True:
        at = a + share * (b - a)
        rise = _slope(y, mu, x, at, prior, gram, slope, column)
        if (rise > 0.0) == (fa > 0.0):
            c, fc = a, fa
        else:
            c, fc, b, fb = b, fb, a, fa
        a, fa = at, rise
        least = _TOLERANCE / abs(b - a)
        if rise == 0.0 or least >= 1.0:
            return a if abs(fa) < abs(fb) else b
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        share = 0.5
        if phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi:  # inverse quadratic is monotone here
            share = fa / (fb - fa) * fc / (fb - fc)
            share += (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        share = min(max(share, 0.5 * least), 1.0 - 0.5 * least)


@numba.njit(cache=True, nogil=True)
def _highest(y, mu, x, grid, prior, gram, slope):
    """Return the point of the grid with the highest value."""
    best, highest = grid[0], -math.inf
    for i in range(grid.size):
        value = _value(y, mu, x, grid[i], prior, gram, slope)
        if value > highest:
            best, highest = grid[i], value
    return best


@numba.njit(cache=True, nogil=True)
def _uphill(y, mu, x, start, bounds, prior, gram, slope, column):
    """Return the maximum uphill of ``start``, or the bound that the walk ends at."""
    here = start
    rise = _slope(y, mu, x, here, prior, gram, slope, column)
    if rise == 0.0:
        return here
    value = _value(y, mu, x, here, prior, gram, slope)
    pace = math.copysign(_PACE, rise)
    while True:
        there = min(max(here + pace, bounds[0]), bounds[1])
        if abs(there - here) < _TOLERANCE:
            return there
        fall = _slope(y, mu, x, there, prior, gram, slope, column)
        if (fall > 0.0) != (rise > 0.0):
            return _root(y, mu, x, here, rise, there, fall, prior, gram, slope, column)
        reached = _value(y, mu, x, there, prior, gram, slope)
        if reached >= value:
            here, value, rise = there, reached, fall
        else:
            pace *= 0.5  # a maximum was stepped over, and a valley behind it


@numba.njit(cache=True, nogil=True)
def _ascent(y, mu, x, start, bounds, gram, slope, column):
    """Return where steps along the slope end, and whether they ended in time.

    Armijo's backtracking: a proposal is halved until it gains its due. What the walk gains in all
    must be more than rounding, else the gene stays at its start.
    """
    none = (0.0, 0.0)
    here, pace = start, _FIRST_PACE
    first = value = _value(y, mu, x, here, none, gram, slope)
    rise = _slope(y, mu, x, here, none, gram, slope, column)
    ended = False
    for step in range(_STEPS):
        there = min(max(here + pace * rise, bounds[0]), bounds[1])
        reached = _value(y, mu, x, there, none, gram, slope)
        while there != here and reached < value + _ARMIJO * rise * (there - here):
            pace *= 0.5
            there = min(max(here + pace * rise, bounds[0]), bounds[1])
            reached = _value(y, mu, x, there, none, gram, slope)
        gain = reached - value
        here, value = there, reached
        if gain < _LEAST_GAIN:
            ended = step > 0
            break
        rise = _slope(y, mu, x, here, none, gram, slope, column)
        pace *= _SHORTER
    if ended and value - first < _LEAST_GAIN * abs(first):
        here = start
    return here, ended


@numba.njit(cache=True, nogil=True)
def _two_grids(y, mu, x, bounds, gram, slope):
    """Return the best of a grid over the whole range, refined by a second one about it."""
    none = (0.0, 0.0)
    gap = (bounds[1] - bounds[0]) / (_POINTS - 1)
    best = _highest(y, mu, x, np.linspace(bounds[0], bounds[1], _POINTS), none, gram, slope)
    near = np.linspace(best - gap, best + gap, _POINTS)
    return _highest(y, mu, x, near, none, gram, slope)


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
) -> np.ndarray:
    """Return the dispersion of every gene, where its (posterior) likelihood is highest.

    Without a prior it is where DESeq2's search ends (see above), and a gene that starts at the
    lower bound, where the likelihood is flat because its moments show no more variance than
    Poisson counts have, gets the lower bound: where counts are few, the Cox-Reid term alone lets
    the likelihood rise towards very large dispersions. With a prior it is the maximum uphill of
    the best of a grid over the whole range.

    Parameters
    ----------
    counts
        Genes x samples, float.
    mu
        Genes x samples, fitted means, positive.
    x
        Samples x coefficients.
    start
        Where the walk of each gene starts, by moments; used if ``prior_var`` is 0.
    center
        Mean of the prior of each gene's dispersion; used if ``prior_var`` is positive.
    prior_var
        Variance of the prior of the log dispersion; 0 for none.
    min_disp
        Lower bound.
    max_disp
        Upper bound.
    """
    genes, p = counts.shape[0], x.shape[1]
    out = np.empty(genes)
    gram, slope, column = np.empty((p, p)), np.empty((p, p)), np.empty(p)
    bounds = (math.log(min_disp), math.log(max_disp))
    grid = np.linspace(bounds[0], bounds[1], 2 + int((bounds[1] - bounds[0]) / _PACE))
    for g in range(genes):
        y, m = counts[g], mu[g]
        prior = (math.log(center[g]), prior_var)
        if prior_var > 0.0:
            first = _highest(y, m, x, grid, prior, gram, slope)
            last = _uphill(y, m, x, first, bounds, prior, gram, slope, column)
        elif start[g] > min_disp:
            first = min(math.log(start[g]), bounds[1])
            last, ended = _ascent(y, m, x, first, bounds, gram, slope, column)
            if not ended:
                last = _two_grids(y, m, x, bounds, gram, slope)
        else:
            last = bounds[0]
        out[g] = min(max(math.exp(last), min_disp), max_disp)
    return out
