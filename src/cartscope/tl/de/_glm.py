"""Negative binomial regressions of all genes at once, compiled."""

# ruff: noqa: PLR0913, PLR0917  (compiled functions are called by position)

from __future__ import annotations

import math

import numba
import numpy as np

from cartscope.tl.de._special import cholesky, log_rising, solve_lower, solve_upper

_SHORTEST = 1e-6
_SMALLEST_GAIN = 1e-10


@numba.njit(cache=True, nogil=True)
def _gram(x, weights, ridge, gram):
    n, p = x.shape
    for j in range(p):
        for m in range(j + 1):
            gram[j, m] = 0.0
        gram[j, j] = ridge[j]
    for i in range(n):
        for j in range(p):
            if x[i, j] != 0.0:
                for m in range(j + 1):
                    gram[j, m] += weights[i] * x[i, j] * x[i, m]


@numba.njit(cache=True, nogil=True)
def _means(x, beta, size_factors, min_mu, mu):
    for i in range(x.shape[0]):
        eta = 0.0
        for j in range(x.shape[1]):
            eta += x[i, j] * beta[j]
        mu[i] = max(size_factors[i] * math.exp(eta), min_mu)


@numba.njit(cache=True, nogil=True)
def _leverages(x, mu, alpha, ridge, gram, row, out):
    weights = mu / (1.0 + mu * alpha)
    _gram(x, weights, ridge, gram)
    cholesky(gram)
    for i in range(x.shape[0]):
        row[:] = x[i]
        solve_lower(gram, row)
        out[i] = weights[i] * np.sum(row * row)


@numba.njit(cache=True, nogil=True)
def all_leverages(
    betas: np.ndarray,
    size_factors: np.ndarray,
    x: np.ndarray,
    dispersions: np.ndarray,
    min_mu: float,
    ridge: np.ndarray,
) -> np.ndarray:
    """Return the leverage of every sample in every gene's regression at given coefficients.

    Parameters
    ----------
    betas
        Genes x coefficients, natural log scale.
    size_factors
        One per sample.
    x
        Samples x coefficients.
    dispersions
        One per gene.
    min_mu
        Floor of the fitted means.
    ridge
        Penalty on each coefficient, natural log scale.
    """
    n, p = x.shape
    out = np.empty((betas.shape[0], n))
    gram, mu, row = np.empty((p, p)), np.empty(n), np.empty(p)
    for g in range(betas.shape[0]):
        _means(x, betas[g], size_factors, min_mu, mu)
        _leverages(x, mu, dispersions[g], ridge, gram, row, out[g])
    return out


@numba.njit(cache=True, nogil=True)
def fit_betas(
    counts: np.ndarray,
    size_factors: np.ndarray,
    x: np.ndarray,
    dispersions: np.ndarray,
    start: np.ndarray,
    min_mu: float,
    ridge: np.ndarray,
    tolerance: float,
    rounds: int,
    largest: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return coefficients, leverages and convergence by iteratively reweighted least squares.

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
        Genes x coefficients, natural log scale.
    min_mu
        Floor of the fitted means during the iterations.
    ridge
        Penalty on each coefficient, natural log scale.
    tolerance
        The deviance may change by this share at the end.
    rounds
        Most iterations.
    largest
        A coefficient beyond this counts as divergence.
    """
    genes, n = counts.shape
    p = x.shape[1]
    betas = start.copy()
    leverages = np.empty((genes, n))
    converged = np.zeros(genes, dtype=np.bool_)
    gram, rhs = np.empty((p, p)), np.empty(p)
    mu, weights, row = np.empty(n), np.empty(n), np.empty(p)
    for g in range(genes):
        y, alpha, beta = counts[g], dispersions[g], betas[g]
        constant = 0.0
        for i in range(n):
            constant += log_rising(y[i], alpha) - math.lgamma(y[i] + 1.0)
        _means(x, beta, size_factors, min_mu, mu)
        deviance = math.inf
        for _ in range(rounds):
            for j in range(p):
                rhs[j] = 0.0
            for i in range(n):
                weights[i] = mu[i] / (1.0 + mu[i] * alpha)
                z = math.log(mu[i] / size_factors[i]) + (y[i] - mu[i]) / mu[i]
                for j in range(p):
                    rhs[j] += x[i, j] * weights[i] * z
            _gram(x, weights, ridge, gram)
            if not cholesky(gram):
                break
            solve_lower(gram, rhs)
            solve_upper(gram, rhs)
            if not np.abs(rhs).max() <= largest:
                break
            for j in range(p):
                beta[j] = rhs[j]
            _means(x, beta, size_factors, min_mu, mu)
            before, likelihood = deviance, constant
            for i in range(n):
                likelihood += y[i] * math.log(mu[i])
                likelihood -= (y[i] + 1.0 / alpha) * math.log1p(mu[i] * alpha)
            deviance = -2.0 * likelihood
            if abs(deviance - before) / (abs(deviance) + 0.1) < tolerance:
                converged[g] = True
                break
        _leverages(x, mu, alpha, ridge, gram, row, leverages[g])
    return betas, leverages, converged


@numba.njit(cache=True, nogil=True)
def _penalised(y, x, beta, size_factors, alpha, ridge, mu):
    """Log likelihood up to a constant, without a floor on the means, less the penalty."""
    _means(x, beta, size_factors, 0.0, mu)
    total = -0.5 * np.sum(ridge * beta * beta)
    for i in range(y.shape[0]):
        total += y[i] * math.log(max(mu[i], 1e-300))
        total -= (y[i] + 1.0 / alpha) * math.log1p(mu[i] * alpha)
    return total


@numba.njit(cache=True, nogil=True)
def maximise_betas(
    counts: np.ndarray,
    size_factors: np.ndarray,
    x: np.ndarray,
    dispersions: np.ndarray,
    start: np.ndarray,
    ridge: np.ndarray,
    rounds: int,
    largest: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and convergence by Newton steps that never lose likelihood.

    For the few genes whose weighted least squares go round in circles. The likelihood is concave
    in the coefficients, so what is found is the maximum.

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
        Genes x coefficients, natural log scale.
    ridge
        Penalty on each coefficient, natural log scale.
    rounds
        Most iterations.
    largest
        Bound of every coefficient, in absolute value.
    """
    genes, n = counts.shape
    p = x.shape[1]
    betas, converged = start.copy(), np.zeros(genes, dtype=np.bool_)
    gram, step, trial = np.empty((p, p)), np.empty(p), np.empty(p)
    mu, weights = np.empty(n), np.empty(n)
    for g in range(genes):
        y, alpha, beta = counts[g], dispersions[g], betas[g]
        here = _penalised(y, x, beta, size_factors, alpha, ridge, mu)
        for _ in range(rounds):
            for j in range(p):
                step[j] = -ridge[j] * beta[j]
            for i in range(n):
                spread = 1.0 + alpha * mu[i]
                weights[i] = mu[i] * (1.0 + alpha * y[i]) / (spread * spread)
                for j in range(p):
                    step[j] += x[i, j] * (y[i] - mu[i]) / spread
            _gram(x, weights, ridge, gram)
            if not cholesky(gram):
                break
            solve_lower(gram, step)
            solve_upper(gram, step)
            share, gain = 1.0, -1.0
            while gain < 0.0 and share > _SHORTEST:
                for j in range(p):
                    trial[j] = min(max(beta[j] + share * step[j], -largest), largest)
                there = _penalised(y, x, trial, size_factors, alpha, ridge, mu)
                gain = there - here
                share *= 0.5
            if gain >= 0.0:
                beta[:] = trial
                here = there
            else:
                here = _penalised(y, x, beta, size_factors, alpha, ridge, mu)
            if gain < _SMALLEST_GAIN:
                converged[g] = True
                break
    return betas, converged


@numba.njit(cache=True, nogil=True)
def standard_errors(
    betas: np.ndarray,
    size_factors: np.ndarray,
    x: np.ndarray,
    dispersions: np.ndarray,
    contrast: np.ndarray,
    min_mu: float,
    ridge: np.ndarray,
) -> np.ndarray:
    """Return the standard error of a contrast for every gene, natural log scale.

    Parameters
    ----------
    betas
        Genes x coefficients, natural log scale.
    size_factors
        One per sample.
    x
        Samples x coefficients.
    dispersions
        One per gene.
    contrast
        One weight per coefficient.
    min_mu
        Floor of the fitted means: without it a gene absent from one arm gets too large an error.
    ridge
        Penalties that the coefficients were fitted with.
    """
    genes, n, p = betas.shape[0], x.shape[0], x.shape[1]
    out = np.full(genes, np.nan)
    gram, direction = np.empty((p, p)), np.empty(p)
    mu, weights = np.empty(n), np.empty(n)
    for g in range(genes):
        if np.isnan(betas[g, 0]) or np.isnan(dispersions[g]):
            continue
        _means(x, betas[g], size_factors, min_mu, mu)
        for i in range(n):
            weights[i] = mu[i] / (1.0 + mu[i] * dispersions[g])
        _gram(x, weights, ridge, gram)
        if not cholesky(gram):
            continue
        for j in range(p):
            direction[j] = contrast[j]
        solve_lower(gram, direction)
        solve_upper(gram, direction)
        variance = 0.0
        for i in range(n):
            along = 0.0
            for j in range(p):
                along += x[i, j] * direction[j]
            variance += weights[i] * along * along
        out[g] = math.sqrt(variance)
    return out
