"""Correlation between the samples of one block (patient), shared by all genes."""

from __future__ import annotations

import numpy as np

_TRIM = 0.15
_HIGHEST = 0.99
_ROUNDS = 60


def block_correlation(
    values: np.ndarray, matrix: np.ndarray, weights: np.ndarray, *, blocks: np.ndarray
) -> float:
    """Return limma's consensus correlation within blocks.

    The variance of the blocks and of the rest is estimated gene by gene by restricted maximum
    likelihood, and the correlations are averaged after Fisher's transformation, with 15% trimmed at
    each end (Smyth et al. 2005, 10.1093/bioinformatics/bti270).

    Parameters
    ----------
    values
        Genes x samples.
    matrix
        Samples x coefficients.
    weights
        Genes x samples.
    blocks
        Block of each sample, as numbers from 0.
    """
    lowest = 1 / (1 - np.bincount(blocks).max()) + 0.01
    member = np.eye(int(blocks.max()) + 1)[blocks]
    n, p = matrix.shape
    root = np.sqrt(weights)
    transformed = []
    for y, w in zip(values, root, strict=True):
        basis, _ = np.linalg.qr(w[:, None] * matrix, mode="complete")
        # the errors are correlated once they are weighted, as the fit takes them to be
        left, singular, _ = np.linalg.svd(basis[:, p:].T @ member)
        spread = np.zeros(n - p)
        spread[: singular.size] = singular[: n - p] ** 2
        squares = (left.T @ (basis[:, p:].T @ (w * y))) ** 2
        within, between = _variances(squares, spread)
        if within + between > 0:
            rho = between / (within + between)
            transformed.append(np.arctanh(min(max(rho, lowest), _HIGHEST)))
    ordered = np.sort(np.array(transformed))
    cut = int(np.floor(ordered.size * _TRIM))
    return float(np.tanh(ordered[cut : ordered.size - cut].mean()))


def _variances(squares: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
    """Variances within and between blocks: squares are (within + spread x between) chi-square."""
    total = float(squares.mean())
    if total <= 0:
        return 0.0, 0.0
    x = np.column_stack([np.ones_like(spread), spread])
    now = np.array([total, 0.0])
    loss = _deviance(squares, x @ now)
    for _ in range(_ROUNDS):
        mu = x @ now
        step = np.linalg.lstsq(x / mu[:, None], (squares - mu) / mu, rcond=None)[0]
        share = 1.0
        while share > 1e-6:  # noqa: PLR2004  (shorter steps move nothing)
            trial = now + share * step
            tried = _deviance(squares, x @ trial) if (x @ trial > 1e-10 * total).all() else np.inf
            if tried <= loss:
                break
            share /= 2
        else:
            break
        now, gain, loss = trial, loss - tried, tried
        if gain < 1e-10 * (abs(loss) + 0.1):
            break
    return float(now[0]), float(now[1])


def _deviance(squares: np.ndarray, mu: np.ndarray) -> float:
    return float((squares / mu + np.log(mu)).sum())
