"""Mixture of cell states anchored by markers: arrays in, probabilities out.

The counts of a panel of genes in a cell are Poisson given its state, with the cell's depth as
exposure. Rates are estimated from the cells themselves in a few rounds, but where a marker is down
its rate may not exceed a fraction of its mean where it is up, so that the components keep the
meaning of their names. The prior of a state is its share among all cells, blended with its share
among the neighbors of the cell.
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
APART: Final = 0.5  # most of a marker where it is down, against where it is up
FLATTEN: Final = 0.7  # counts vary more than Poisson: log likelihoods are taken down by this


def fit_states(
    counts: np.ndarray,
    depth: np.ndarray,
    signs: np.ndarray,
    *,
    smooth: sparse.csr_matrix,
    neighbor_weight: float = 0.5,
    n_rounds: int = 2,
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
    neighbor_weight
        Weight of the neighbors' shares against the shares of all cells in the prior.
    n_rounds
        Rounds of estimation. Few on purpose: run to convergence, a state that is rare here is given
        up for a second component of a common one, under the rare one's name.
    """
    y = counts.astype(float)
    exposure = np.maximum(depth, 1.0) / max(float(np.mean(depth)), 1.0)
    base = (y.sum(axis=0) + 0.5) / (exposure.sum() + 1.0)
    p = _start(y, exposure, signs, smooth=smooth)
    anchor = base * np.where(signs > 0, 1.5, np.where(signs < 0, 0.5, 1.0))
    for _ in range(n_rounds):
        weight = (p.T @ exposure)[:, None]
        rates = _keep_order((p.T @ y + PRIOR_CELLS * anchor) / (weight + PRIOR_CELLS), signs)
        log_p = FLATTEN * (y @ np.log(rates).T - exposure[:, None] * rates.sum(axis=1))
        around = np.asarray(smooth @ p)
        prior = neighbor_weight * around + (1 - neighbor_weight) * p.mean(axis=0)
        p = _normalized(log_p + np.log(np.maximum(prior, 1e-4)))
    return p


def _keep_order(rates: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Hold a marker's rate where it is down to a fraction of its mean where it is up."""
    up, down = signs > 0, signs < 0
    high = (rates * up).sum(axis=0) / np.maximum(up.sum(axis=0), 1)
    low = (rates * down).sum(axis=0) / np.maximum(down.sum(axis=0), 1)
    both = up.any(axis=0) & down.any(axis=0)
    rates = np.where(down & both, np.minimum(rates, high * APART), rates)
    return np.where(up & both, np.maximum(rates, low / APART), rates)


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
