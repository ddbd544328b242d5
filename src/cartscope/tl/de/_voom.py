"""Precision weights for log counts (voom), weighted fits and moderated variances (limma)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

from cartscope.tl.de._lowess import lowess

_SPAN = 0.5


@dataclass(frozen=True)
class LinearFit:
    """Gene-wise weighted least squares."""

    betas: np.ndarray  # genes x coefficients
    covariance: np.ndarray  # genes x coefficients x coefficients, times sigma^2
    sigma2: np.ndarray
    freedom: int


def log_cpm(counts: np.ndarray, library: np.ndarray) -> np.ndarray:
    """Return log2 counts per million with half a count added, as voom has it.

    Parameters
    ----------
    counts
        Genes x samples.
    library
        Effective library size per sample.
    """
    return np.log2((counts + 0.5) / (library + 1.0) * 1e6)


def voom_weights(
    values: np.ndarray, library: np.ndarray, matrix: np.ndarray, *, fit: LinearFit
) -> np.ndarray:
    """Return the precision of every log count, from the trend of spread against level.

    Law et al. 2014 (10.1186/gb-2014-15-2-r29).

    Parameters
    ----------
    values
        From :func:`log_cpm`, genes x samples.
    library
        Effective library size per sample.
    matrix
        Samples x coefficients.
    fit
        Fit of ``values`` without weights.
    """
    level = values.mean(axis=1) + np.mean(np.log2(library + 1)) - np.log2(1e6)
    order = np.argsort(level, kind="stable")
    x, y = level[order], np.sqrt(np.sqrt(fit.sigma2[order]))
    smooth = lowess(x, y, fraction=_SPAN)
    fitted = fit.betas @ matrix.T + np.log2(library + 1)[None, :] - np.log2(1e6)
    return np.interp(fitted, x, smooth) ** -4


def linear_fit(
    values: np.ndarray,
    matrix: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    correlation: np.ndarray | None = None,
) -> LinearFit:
    """Fit every gene by least squares.

    Parameters
    ----------
    values
        Genes x samples.
    matrix
        Samples x coefficients, of full column rank.
    weights
        Genes x samples; None for equal weights.
    correlation
        Samples x samples, between the errors of a gene.
    """
    n, p = matrix.shape
    if weights is None:
        weights = np.ones((1, n))
    root = np.sqrt(weights)
    x = root[:, :, None] * matrix[None, :, :]
    y = root[: len(root)] * values if len(root) > 1 else values * root
    if correlation is not None:
        lower = np.linalg.cholesky(correlation)
        x = np.linalg.solve(lower[None], x)
        y = np.linalg.solve(lower, y.T).T
    gram = np.linalg.inv(x.transpose(0, 2, 1) @ x)
    if len(gram) == 1:
        betas = y @ x[0] @ gram[0]
        residual = y - betas @ x[0].T
        gram = np.broadcast_to(gram, (len(values), p, p))
    else:
        betas = np.einsum("gij,gnj,gn->gi", gram, x, y, optimize=True)
        residual = y - np.einsum("gnj,gj->gn", x, betas)
    freedom = n - p
    return LinearFit(betas, gram, (residual**2).sum(axis=1) / freedom, freedom)


def moderate(sigma2: np.ndarray, freedom: int | np.ndarray) -> tuple[float, float]:
    """Return prior degrees of freedom and prior variance (Smyth 2004, 10.2202/1544-6115.1027).

    Parameters
    ----------
    sigma2
        Residual variances.
    freedom
        Residual degrees of freedom, positive; of all genes or one per gene.
    """
    floor = 1e-5 * np.median(sigma2)
    safe = np.maximum(sigma2, floor if floor > 0 else 1e-300)
    shifted = np.log(safe) - digamma(freedom / 2) + np.log(freedom / 2)
    center = float(shifted.mean())
    if sigma2.size == 1:
        return 0.0, float(sigma2[0])
    excess = float(shifted.var(ddof=1)) - float(np.mean(polygamma(1, freedom / 2)))
    if excess <= 0:
        return np.inf, float(np.exp(center))
    prior = 2 * inverse_trigamma(excess)
    return prior, float(np.exp(center + digamma(prior / 2) - np.log(prior / 2)))


def inverse_trigamma(value: float) -> float:
    """Return where the trigamma function is ``value``, by Newton steps.

    Parameters
    ----------
    value
        Positive.
    """
    large, small = 1e7, 1e-6
    if value > large:
        return float(1 / np.sqrt(value))
    if value < small:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-12:  # noqa: PLR2004  (steps shrink quadratically)
            break
    return x
