"""Mixture of cell states anchored by markers: arrays in, probabilities out.

The counts of a panel of genes in a cell are negative binomial given its state, with the cell's
depth as exposure: within one state, a gene's counts vary far more than Poisson, and a model that
does not know it takes the low half of a state for another state. Rates per state, and a dispersion
per gene, are estimated from the cells themselves, but where a marker is down its rate may not
exceed a fraction of its mean where it is up, so that the components keep the meaning of their
names. The prior of a state is its share among all cells, blended with its share among the neighbors
of the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

PRIOR_CELLS: Final = 25.0  # cells' worth of the anchored starting rates in every state
SHARPNESS: Final = 40.0  # of the starting assignment, for a marker from low to high
WIDTH: Final = 0.3  # most the low end of a marker's range is, against its high end
FAINT: Final = 0.3  # counts per cell, in its highest cells, at which a marker counts half
DISPERSION: Final = (0.05, 0.7, 4.0)  # least, expected and most: variance is mean + this * mean**2
DISPERSION_SHARE: Final = 0.02  # of the cells, what the expected dispersion weighs
TOLERANCE: Final = 0.005  # mean change of a cell's probabilities at which estimation stops


def fit_states(
    counts: np.ndarray,
    depth: np.ndarray,
    signs: np.ndarray,
    *,
    smooth: sparse.csr_matrix,
    apart: float = 0.5,
    neighbor_weight: float = 0.5,
    max_rounds: int = 20,
) -> np.ndarray:
    """Return the probability of each state for each cell.

    Parameters
    ----------
    counts
        Raw counts of the panel, cells x genes.
    depth
        Total counts of each cell.
    signs
        States x genes: 1 up, -1 down, 0 says nothing.
    smooth
        Matrix that averages over the neighbors of each cell.
    apart
        Most of a marker's rate where it is down, against its mean where it is up.
    neighbor_weight
        Weight of the neighbors' shares against the shares of all cells in the prior.
    max_rounds
        Most rounds of estimation.
    """
    y = counts.astype(float)
    exposure = np.maximum(depth, 1.0) / max(float(np.mean(depth)), 1.0)
    base = (y.sum(axis=0) + 0.5) / (exposure.sum() + 1.0)
    p = _start(y, exposure, signs, smooth=smooth)
    anchor = base * np.where(signs > 0, 1.5, np.where(signs < 0, 0.5, 1.0))
    for _ in range(max_rounds):
        weight = (p.T @ exposure)[:, None]
        rates = (p.T @ y + PRIOR_CELLS * anchor) / (weight + PRIOR_CELLS)
        rates = _keep_order(rates, signs, apart=apart)
        dispersion = _dispersion(y, exposure, p, rates=rates, base=base)
        log_p = _log_likelihood(y, exposure, rates, dispersion=dispersion)
        around = np.asarray(smooth @ p)
        prior = neighbor_weight * around + (1 - neighbor_weight) * p.mean(axis=0)
        new = _normalized(log_p + np.log(np.maximum(prior, 1e-4)))
        change = float(np.abs(new - p).sum(axis=1).mean()) / 2
        p = new
        if change < TOLERANCE:
            break
    return p


def _dispersion(
    y: np.ndarray, exposure: np.ndarray, p: np.ndarray, *, rates: np.ndarray, base: np.ndarray
) -> np.ndarray:
    """Return each gene's dispersion by moments within states, drawn to what is expected."""
    steady = DISPERSION_SHARE * len(y) * base**2
    excess, square = DISPERSION[1] * steady, steady
    for state, rate in enumerate(rates):
        mean = exposure[:, None] * rate
        excess = excess + p[:, state] @ ((y - mean) ** 2 - mean)
        square = square + p[:, state] @ mean**2
    return np.clip(excess / square, DISPERSION[0], DISPERSION[2])


def _log_likelihood(
    y: np.ndarray, exposure: np.ndarray, rates: np.ndarray, *, dispersion: np.ndarray
) -> np.ndarray:
    """Return the log likelihood of each state, but for what does not depend on the state."""
    size = 1.0 / dispersion
    out = np.empty((len(y), len(rates)))
    for state, rate in enumerate(rates):
        mean = exposure[:, None] * rate
        out[:, state] = y @ np.log(rate) - ((y + size) * np.log(size + mean)).sum(axis=1)
    return out


def _keep_order(rates: np.ndarray, signs: np.ndarray, *, apart: float) -> np.ndarray:
    """Hold a marker's rate where it is down to a fraction of its mean where it is up."""
    up, down = signs > 0, signs < 0
    high = (rates * up).sum(axis=0) / np.maximum(up.sum(axis=0), 1)
    both = up.any(axis=0) & down.any(axis=0)
    rates = np.where(down & both, np.minimum(rates, high * apart), rates)
    low = (rates * down).sum(axis=0) / np.maximum(down.sum(axis=0), 1)
    return np.where(up & both, np.maximum(rates, low / apart), rates)


def _start(
    y: np.ndarray, exposure: np.ndarray, signs: np.ndarray, *, smooth: sparse.csr_matrix
) -> np.ndarray:
    """Return a soft assignment by where each marker lies between its low and its high cells.

    The middle of the range, and not the mean, is what tells up from down: a state that is rare
    here would otherwise take in half of the next one. A range is never taken for narrow, and a
    marker that is hardly ever seen says little, lest cells be told apart by noise.
    """
    rate = np.asarray(smooth @ y) / np.maximum(np.asarray(smooth @ exposure), 1e-9)[:, None]
    low, high = np.quantile(rate, [0.01, 0.99], axis=0)
    high = np.maximum(high, 1e-6)
    low = np.minimum(low, WIDTH * high)
    middle = np.maximum(rate.mean(axis=0), 1e-9)
    low, high, x = (np.log1p(value / middle) for value in (low, high, rate))
    x = np.clip((x - 0.5 * (low + high)) / np.maximum(0.5 * (high - low), 1e-6), -1.0, 1.0)
    top = np.quantile(rate, 0.99, axis=0)
    weights = signs * (top / (top + FAINT))
    weights /= np.maximum(np.abs(weights).sum(axis=1, keepdims=True), 1e-9)
    return _normalized(SHARPNESS * (x @ weights.T))


def _normalized(log_p: np.ndarray) -> np.ndarray:
    log_p = log_p - log_p.max(axis=1, keepdims=True)
    p = np.exp(log_p)
    return p / p.sum(axis=1, keepdims=True)
