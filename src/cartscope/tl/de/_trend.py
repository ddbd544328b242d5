"""Dispersion against mean: the parametric trend, its local stand-in, and the width of the prior."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
from scipy.signal import fftconvolve
from scipy.special import polygamma

_log = logging.getLogger(__name__)

# Genes at or below this multiple of the floor say nothing about the trend. DESeq2's manual has one
# order of magnitude above `minDisp`; what it does was measured on its answers: two.
ABOVE_FLOOR = 100
_LOWEST, _HIGHEST = 1e-4, 15.0  # a gene outside these multiples of the curve is left out
_ROUNDS, _HALVINGS = 25, 25
_CONVERGED = 1e-8  # relative change of the deviance, as in R's glm
_STABLE = 1e-6  # squared log change of the coefficients
_MAD_TO_SD = 1.4826
_NARROWEST = 0.25
_TAIL = 0.01
_FEW = 3  # residual degrees of freedom up to which moments mislead


@dataclass(frozen=True)
class Trend:
    """Fitted dispersion as a function of the mean of normalised counts."""

    kind: str
    asymptotic: float = np.nan
    extra_poisson: float = np.nan
    log_means: np.ndarray | None = field(default=None, repr=False)
    log_dispersions: np.ndarray | None = field(default=None, repr=False)

    def __call__(self, means: np.ndarray) -> np.ndarray:
        """Return the trend at ``means``."""
        if self.kind == "parametric":
            return self.asymptotic + self.extra_poisson / means
        return np.exp(np.interp(np.log(means), self.log_means, self.log_dispersions))


def fit_trend(means: np.ndarray, dispersions: np.ndarray, *, min_disp: float = 1e-8) -> Trend:
    """Fit ``a0 + a1 / mean`` as DESeq2 does; where it does not converge, a local regression.

    Only genes above 100 times the floor take part, and who is too far from the curve is judged anew
    in every round, so that a gene left out once may come back.

    Parameters
    ----------
    means
        Mean normalised count per gene, positive.
    dispersions
        Gene-wise dispersions.
    min_disp
        Floor of the dispersions.
    """
    use = dispersions > ABOVE_FLOOR * min_disp
    if use.any():
        found = _parametric(means[use], dispersions[use])
        if found is not None:
            return Trend("parametric", *found)
        _log.warning("the dispersion trend a0 + a1/mean does not fit; using a local regression")
        return _local(means[use], dispersions[use])
    _log.warning("no gene's dispersion is above the floor: the trend is the floor itself")
    return Trend("parametric", min_disp, 0.0)


def _parametric(means: np.ndarray, dispersions: np.ndarray) -> np.ndarray | None:
    coefficients = np.array([0.1, 1.0])
    for _ in range(10):
        ratio = dispersions / (coefficients[0] + coefficients[1] / means)
        good = (ratio > _LOWEST) & (ratio < _HIGHEST)
        fitted = _gamma_identity(means[good], dispersions[good], coefficients)
        if fitted is None or not (fitted[0] > 0).all():
            return None
        change = float((np.log(fitted[0] / coefficients) ** 2).sum())
        coefficients = fitted[0]
        if fitted[1] and change < _STABLE:
            return coefficients
    return None


def _gamma_identity(
    means: np.ndarray, dispersions: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, bool] | None:
    """Gamma regression with identity link by Fisher scoring; coefficients, and whether it settled.

    A step that would make a fitted dispersion negative is halved until it does not: sparse tables
    hold genes whose dispersion is far above the curve, and need it.
    """
    x = np.column_stack([np.ones_like(means), 1.0 / means])
    if means.size <= x.shape[1]:
        return None
    beta, deviance = start, _gamma_deviance(dispersions, x @ start)
    for _ in range(_ROUNDS):
        mu = x @ beta
        step = np.linalg.lstsq(x / mu[:, None], dispersions / mu, rcond=None)[0]
        for _ in range(_HALVINGS):
            if (x @ step > 0).all():
                break
            step = (step + beta) / 2
        else:
            return None
        before, deviance = deviance, _gamma_deviance(dispersions, x @ step)
        beta = step
        if abs(deviance - before) / (abs(deviance) + 0.1) < _CONVERGED:
            return beta, True
    return beta, False  # the next round goes on from here


def _gamma_deviance(values: np.ndarray, mu: np.ndarray) -> float:
    return 2 * float((-np.log(values / mu) + (values - mu) / mu).sum())


def _local(means: np.ndarray, dispersions: np.ndarray) -> Trend:
    """Local quadratic regression of log dispersion on log mean, weighted by the mean."""
    if means.size < 4:  # noqa: PLR2004  (three coefficients need more than three genes)
        return Trend("parametric", float(np.exp(np.log(dispersions).mean())), 0.0)
    x, y = np.log(means), np.log(dispersions)
    grid = np.linspace(x.min(), x.max(), 200)
    nearest = max(int(np.floor(0.7 * x.size)), 4)
    out = np.empty_like(grid)
    for i, at in enumerate(grid):
        distance = np.abs(x - at)
        width = max(np.partition(distance, nearest - 1)[nearest - 1], 1e-12)
        weight = means * np.clip(1 - (distance / width) ** 3, 0, None) ** 3
        root = np.sqrt(weight)
        basis = np.column_stack([np.ones_like(x), x - at, (x - at) ** 2])
        out[i] = np.linalg.lstsq(basis * root[:, None], y * root, rcond=None)[0][0]
    return Trend("local", log_means=grid, log_dispersions=out)


def prior_variance(log_residuals: np.ndarray, freedom: int) -> tuple[float, float]:
    """Return the prior variance of log dispersions and the robust variance of the residuals.

    Parameters
    ----------
    log_residuals
        Log gene-wise dispersion less log trend, of genes above the floor.
    freedom
        Residual degrees of freedom.
    """
    if not log_residuals.size:
        return _NARROWEST, _NARROWEST
    center = np.median(log_residuals)
    spread = float((_MAD_TO_SD * np.median(np.abs(log_residuals - center))) ** 2)
    if freedom <= _FEW:
        return _match_density(log_residuals, freedom), spread
    return max(spread - float(polygamma(1, freedom / 2)), _NARROWEST), spread


def _match_density(log_residuals: np.ndarray, freedom: int) -> float:
    """Prior variance whose distribution of residuals is closest to the one seen.

    With few degrees of freedom log dispersions are too skewed for their variance to be read off:
    the sum of a normal and a log chi-square over its degrees is compared with the histogram by
    Kullback-Leibler divergence, on a grid of variances (Love 2014, by convolution here instead of
    by simulation).
    """
    edges = np.arange(-10, 10.5, 0.5)
    # the far tails hold genes that follow no prior, and would decide
    low, high = np.searchsorted(edges, np.quantile(log_residuals, [_TAIL, 1 - _TAIL]))
    edges = edges[max(low - 1, 0) : high + 1]
    seen, _ = np.histogram(log_residuals, edges)
    seen = seen / seen.sum()
    filled = seen > 0
    fine = np.arange(-4000, 4001) * 0.01
    half = freedom / 2
    log_chi = half * fine - half * np.exp(fine)
    chi = np.exp(log_chi - log_chi.max())
    best = np.inf, _NARROWEST
    for variance in np.linspace(0.02, 8, 200):
        normal = np.exp(-((np.arange(-1200, 1201) * 0.01) ** 2) / (2 * variance))
        below = np.interp(edges, fine, np.cumsum(fftconvolve(chi, normal, mode="same")))
        expected = np.diff(below) / (below[-1] - below[0])
        ratio = seen[filled] / np.maximum(expected[filled], 1e-10)
        best = min(best, (float((seen[filled] * np.log(ratio)).sum()), float(variance)))
    return max(best[1], _NARROWEST)
