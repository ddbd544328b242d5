"""Posterior modes of all genes under a Cauchy prior on one coefficient, compiled."""

# ruff: noqa: PLR0913, PLR0917  (compiled functions are called by position)

from __future__ import annotations

import math

import numba
import numpy as np

from cartscope.tl.de._special import cholesky, solve_lower, solve_upper

_ROUNDS = 500
_SHORTEST = 1e-9
_SMALLEST_GAIN = 1e-11
_LARGEST_STEP = 5.0
_APART = 1e-3


@numba.njit(cache=True, nogil=True)
def _log_posterior(y, x, beta, size_factors, alpha, target, scale, ridge, mu):
    total = 0.0
    for i in range(y.shape[0]):
        eta = 0.0
        for j in range(beta.shape[0]):
            eta += x[i, j] * beta[j]
        mu[i] = size_factors[i] * math.exp(min(eta, 500.0))
        total += y[i] * eta - (y[i] + 1.0 / alpha) * math.log1p(alpha * mu[i])
    for j in range(beta.shape[0]):
        if j == target:
            total -= math.log1p((beta[j] / scale) ** 2)
        else:
            total -= 0.5 * ridge * beta[j] ** 2
    return total


@numba.njit(cache=True, nogil=True)
def _curvature(y, x, mu, alpha, bend, target, ridge, gram):
    """Fill the negative Hessian, with ``bend`` for the prior of the target."""
    n, p = x.shape
    for j in range(p):
        for m in range(j + 1):
            gram[j, m] = 0.0
        gram[j, j] = bend if j == target else ridge
    for i in range(n):
        spread = 1.0 + alpha * mu[i]
        weight = mu[i] * (1.0 + alpha * y[i]) / (spread * spread)
        for j in range(p):
            if x[i, j] != 0.0:
                for m in range(j + 1):
                    gram[j, m] += weight * x[i, j] * x[i, m]
    return cholesky(gram)


@numba.njit(cache=True, nogil=True)
def _climb(y, x, beta, size_factors, alpha, target, scale, ridge, mu, gram, step, trial):
    """Move ``beta`` to the nearest mode and return the log posterior there."""
    p = beta.shape[0]
    here = _log_posterior(y, x, beta, size_factors, alpha, target, scale, ridge, mu)
    for _ in range(_ROUNDS):
        at = beta[target]
        spread = scale * scale + at * at
        # far out the prior is not concave: its majorising parabola keeps the step uphill
        if not _curvature(
            y, x, mu, alpha, 2.0 * (scale * scale - at * at) / spread**2, target, ridge, gram
        ):
            _curvature(y, x, mu, alpha, 2.0 / spread, target, ridge, gram)
        for j in range(p):
            step[j] = -2.0 * at / spread if j == target else -ridge * beta[j]
        for i in range(y.shape[0]):
            rest = (y[i] - mu[i]) / (1.0 + alpha * mu[i])
            for j in range(p):
                step[j] += x[i, j] * rest
        solve_lower(gram, step)
        solve_upper(gram, step)
        share, gain = min(1.0, _LARGEST_STEP / max(np.abs(step).max(), 1e-300)), -1.0
        while gain < 0.0 and share > _SHORTEST:
            for j in range(p):
                trial[j] = beta[j] + share * step[j]
            there = _log_posterior(y, x, trial, size_factors, alpha, target, scale, ridge, mu)
            gain = there - here
            share *= 0.5
        if gain < 0.0:
            _log_posterior(y, x, beta, size_factors, alpha, target, scale, ridge, mu)
            break
        beta[:] = trial
        here = there
        if gain < _SMALLEST_GAIN:
            break
    return here


@numba.njit(cache=True, nogil=True)
def posterior_modes(
    counts: np.ndarray,
    size_factors: np.ndarray,
    x: np.ndarray,
    dispersions: np.ndarray,
    start: np.ndarray,
    target: int,
    scale: float,
    ridge: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the target at the highest mode, its posterior sd, and whether there are two modes.

    The posterior of a gene whose effect a few samples carry has a mode near the estimate and one
    near 0; both are climbed, from the estimate and from 0, and the higher one is taken.

    Parameters
    ----------
    counts
        Genes x samples, float.
    size_factors
        One per sample.
    x
        Samples x coefficients.
    dispersions
        One per gene.
    start
        Maximum likelihood, genes x coefficients, natural log scale.
    target
        Column that has the Cauchy prior.
    scale
        Scale of that prior, natural log scale.
    ridge
        Precision of the normal prior of the other coefficients.
    """
    genes, n = counts.shape
    p = x.shape[1]
    modes, errors = np.empty(genes), np.empty(genes)
    two = np.zeros(genes, dtype=np.bool_)
    gram, step, trial, mu = np.empty((p, p)), np.empty(p), np.empty(p), np.empty(n)
    for g in range(genes):
        y, alpha = counts[g], dispersions[g]
        far, near = start[g].copy(), start[g].copy()
        near[target] = 0.0
        args = (size_factors, alpha, target, scale, ridge, mu, gram, step, trial)
        high = _climb(y, x, far, *args)
        low = _climb(y, x, near, *args)
        two[g] = abs(far[target] - near[target]) > _APART
        best = far if high > low else near
        modes[g] = best[target]
        _log_posterior(y, x, best, size_factors, alpha, target, scale, ridge, mu)
        spread = scale * scale + best[target] ** 2
        bend = 2.0 * (scale * scale - best[target] ** 2) / spread**2
        if not _curvature(y, x, mu, alpha, bend, target, ridge, gram):
            _curvature(y, x, mu, alpha, 2.0 / spread, target, ridge, gram)
        for j in range(p):
            step[j] = 1.0 if j == target else 0.0
        solve_lower(gram, step)
        errors[g] = math.sqrt(np.sum(step * step))
    return modes, errors, two
