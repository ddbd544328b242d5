"""Mixture model of CAR counts: arrays in, probabilities out.

Cell i of sample s has depth N_i and y_i CAR counts. A CAR T cell has a negative binomial count
with mean N_i * rate_s and a common size; any other cell has only ambient transcripts, a Poisson
count with mean N_i * ambient_s. Rates and size are fitted to the counts of cells that have any,
by the likelihood truncated at zero: so the share of CAR T cells does not enter, and cannot be
traded against the rate, which is what makes the full mixture run away where CAR T cells are few.
The zeros are then shared out by the probability of no count at the cell's depth, and by a
logistic prior with a level per sample and slopes on features of the cell, both shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, xlogy

AMBIENT_FLOOR: Final = 1e-9  # counts per count: keeps logarithms finite
CONTROL_SHARE: Final = 0.002  # control cells that are CAR T cells under another label, at first
ABOVE_AMBIENT: Final = 5.0  # a CAR expressed less than this above the soup cannot be told from it
CONTROL_WEIGHT: Final = 300.0  # cells' worth of that first guess
LOG_SIZE: Final = (np.log(4.0), 0.5)  # weak prior, about what CAR-sorted blood shows
RATE_SD: Final = 0.35  # spread of log rates between samples
SHRINK_DEPTH: Final = 2e5  # counts of control cells from which on a sample's own floor counts most
RIDGE: Final = 1.0  # penalty on slopes of standardised features and on a sample's own level
MAX_ROUNDS: Final = 100
TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class CarFit:
    """What was estimated; arrays run over samples, or over cells."""

    rate: np.ndarray  # CAR counts per count of a CAR T cell, per sample
    size: float  # negative binomial size; small means more zeros than Poisson
    ambient: np.ndarray  # CAR counts per count of any other cell, per sample
    share: np.ndarray  # CAR T cells among candidates, per sample; nan without candidates
    probability: np.ndarray  # per cell
    undetected: np.ndarray  # chance that a CAR T cell of this depth has no CAR count, per cell
    n_detected: np.ndarray  # candidates with a CAR count, per sample
    floor: tuple[float, float]  # CAR counts and counts of control cells, behind ambient


def fit_car(
    counts: np.ndarray,
    depth: np.ndarray,
    samples: np.ndarray,
    *,
    candidate: np.ndarray,
    control: np.ndarray,
    features: np.ndarray | None = None,
    elsewhere: tuple[float, float] = (0.0, 0.0),
    expected: tuple[np.ndarray, float] | None = None,
) -> CarFit:
    """Fit the mixture.

    Parameters
    ----------
    counts
        CAR counts of each cell.
    depth
        Total counts of each cell.
    samples
        Sample of each cell, 0 to n-1.
    candidate
        Cells that may well carry the CAR; all others rarely do, misnamed ones say.
    control
        Cells that give the ambient floor; none of the candidates.
    features
        Cells x features that the prior may depend on; None for a level per sample alone.
    elsewhere
        CAR counts and counts of control cells that are not here but tell something of the floor.
    expected
        Share of CAR T cells among candidates that is expected beforehand, per sample, nan where
        nothing is; and how many cells this counts for in each sample.
    """
    n = int(samples.max()) + 1
    y, d = counts.astype(float), np.maximum(depth.astype(float), 1.0)
    design = _design(None if features is None else features[candidate], samples[candidate], n)
    extra, extra_p, weights = _pseudo_cells(expected, design=design, n_samples=n)
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = 1e-3
    p = np.where(candidate, np.where(y > 0, 0.95, 0.05), np.where(y > 0, 0.5, CONTROL_SHARE))
    eta = np.zeros(len(y))
    beta, theta = np.zeros(design.shape[1]), None
    for turn in range(MAX_ROUNDS):
        quiet = (1 - p) * control
        ambient = ambient_rates(y, d, samples, weights=quiet, n_samples=n, elsewhere=elsewhere)
        if turn < 10 or turn % 10 == 0:  # noqa: PLR2004  (rates settle before the prior does)
            theta = fit_rates(y, d, samples, weights=p * (y > 0), n_samples=n, start=theta)
        rate, size = np.exp(theta[0] + theta[2:]), float(np.exp(theta[1]))
        rate = np.maximum(rate, ABOVE_AMBIENT * ambient)
        beta = _newton(
            np.vstack([design, extra]),
            np.concatenate([p[candidate], extra_p]),
            weights=weights,
            start=beta,
            penalty=penalty,
        )
        eta[candidate] = design @ beta
        eta[~candidate] = _misnamed(p[~candidate], samples[~candidate], n)
        new = expit(
            eta + log_nb(y, d * rate[samples], size) - _log_poisson(y, d * ambient[samples])
        )
        change = np.abs(new - p).max()
        p = new
        if change < TOLERANCE:
            break
    of = np.bincount(samples[candidate], minlength=n).astype(float)
    of[of == 0] = np.nan
    return CarFit(
        rate=rate,
        size=size,
        ambient=ambient,
        share=np.bincount(samples[candidate], weights=p[candidate], minlength=n) / of,
        probability=p,
        undetected=np.exp(log_nb(np.zeros(len(y)), d * rate[samples], size)),
        n_detected=np.bincount(samples[candidate & (y > 0)], minlength=n),
        floor=(float(quiet @ y), float(quiet @ d)),
    )


def ambient_rates(
    y: np.ndarray,
    d: np.ndarray,
    samples: np.ndarray,
    *,
    weights: np.ndarray,
    n_samples: int,
    elsewhere: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Return CAR counts per count of control cells, each sample shrunk to all of them.

    Parameters
    ----------
    y
        CAR counts of each cell.
    d
        Total counts of each cell.
    samples
        Sample of each cell.
    weights
        How far each cell counts as a control.
    n_samples
        Number of samples.
    elsewhere
        CAR counts and counts of further control cells, of none of the samples.
    """
    up = np.bincount(samples, weights=weights * y, minlength=n_samples)
    down = np.bincount(samples, weights=weights * d, minlength=n_samples)
    pooled = (up.sum() + elsewhere[0]) / max(down.sum() + elsewhere[1], SHRINK_DEPTH)
    shrunk = (up + pooled * SHRINK_DEPTH) / (down + SHRINK_DEPTH)
    return np.maximum(shrunk, AMBIENT_FLOOR)


def fit_rates(
    y: np.ndarray,
    d: np.ndarray,
    samples: np.ndarray,
    *,
    weights: np.ndarray,
    n_samples: int,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Return log rate, log size and each sample's deviation, from positive counts alone.

    Parameters
    ----------
    y
        CAR counts of each cell.
    d
        Total counts of each cell.
    samples
        Sample of each cell.
    weights
        Probability of each cell, 0 where the count is 0.
    n_samples
        Number of samples.
    start
        Parameters to start from.
    """
    use = weights > 0.05  # noqa: PLR2004
    y, d, s, w = y[use], d[use], samples[use], weights[use]
    # as if a CAR T cell had 1.5 counts, give or take a factor of 4.5
    center = np.log(1.5) - (np.log(d).mean() if len(d) else np.log(3000.0))
    if start is None:
        start = np.concatenate([[center, LOG_SIZE[0]], np.zeros(n_samples)])
    if not len(y):
        return start

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        z = np.exp(v[1])
        m = d * np.exp(v[0] + v[2:][s])
        log_zero = -z * np.log1p(m / z)
        odds = 1.0 / np.expm1(-log_zero)  # of no count against some
        value = -w @ (log_nb(y, m, z) - np.log(-np.expm1(log_zero)))
        by_m = w * (y - m) * z / (m + z) - w * odds * z * m / (m + z)
        by_z = digamma(y + z) - digamma(z) - np.log1p(m / z) + (m - y) / (m + z)
        by_z = w @ (by_z + odds * (m / (m + z) - np.log1p(m / z))) * z
        gap = (v[1] - LOG_SIZE[0]) / LOG_SIZE[1]
        far = (v[0] - center) / 1.5
        value += 0.5 * (gap**2 + far**2 + (v[2:] ** 2).sum() / RATE_SD**2)
        slope = np.empty_like(v)
        slope[0] = -by_m.sum() + far / 1.5
        slope[1] = -by_z + gap / LOG_SIZE[1]
        slope[2:] = v[2:] / RATE_SD**2 - np.bincount(s, weights=by_m, minlength=n_samples)
        return value, slope

    bounds = [(center - 6, center + 4), (-2.0, 5.0), *[(-2.0, 2.0)] * n_samples]
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x


def local_features(
    points: np.ndarray, samples: np.ndarray, *, among: np.ndarray, n_comps: int
) -> np.ndarray:
    """Return the main axes along which the chosen cells differ within samples.

    Global components mostly tell T cells from others; what differs among T cells comes first here.

    Parameters
    ----------
    points
        Cells x components of all cells.
    samples
        Sample of each cell; its mean is taken off, so that the axes say nothing of samples.
    among
        Cells whose differences count.
    n_comps
        Axes to return.
    """
    n = int(samples.max()) + 1
    size = np.maximum(np.bincount(samples[among], minlength=n), 1)
    means = np.empty((n, points.shape[1]))
    for j in range(points.shape[1]):
        means[:, j] = np.bincount(samples[among], weights=points[among, j], minlength=n) / size
    centered = points - means[samples]
    _, axes = np.linalg.eigh(centered[among].T @ centered[among])
    return centered @ axes[:, ::-1][:, :n_comps]


def log_nb(y: np.ndarray, mean: np.ndarray, size: float) -> np.ndarray:
    """Return the log probability of negative binomial counts.

    Parameters
    ----------
    y
        Counts.
    mean
        Their means.
    size
        Size: the variance is mean + mean**2 / size.
    """
    part = gammaln(y + size) - gammaln(size) - gammaln(y + 1)
    return part - (size + y) * np.log1p(mean / size) + xlogy(y, mean / size)


def _misnamed(p: np.ndarray, s: np.ndarray, n_samples: int) -> np.ndarray:
    """Return the log odds that a cell which is no candidate is a CAR T cell all the same."""
    up = np.bincount(s, weights=p, minlength=n_samples) + CONTROL_SHARE * CONTROL_WEIGHT
    share = up / (np.bincount(s, minlength=n_samples) + CONTROL_WEIGHT)
    return np.log(share / (1 - share))[s]


def _log_poisson(y: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return xlogy(y, mean) - mean - gammaln(y + 1)


def _design(features: np.ndarray | None, s: np.ndarray, n_samples: int) -> np.ndarray:
    parts = [np.ones((len(s), 1))]
    if n_samples > 1:
        level = np.zeros((len(s), n_samples))
        level[np.arange(len(s)), s] = 1.0
        parts.append(level)
    if features is not None and len(s):
        sd = features.std(axis=0)
        parts.append((features - features.mean(axis=0)) / np.where(sd > 0, sd, 1.0))
    return np.hstack(parts)


def _pseudo_cells(
    expected: tuple[np.ndarray, float] | None, *, design: np.ndarray, n_samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return design and share of one average cell per expectation, and weights of all cells."""
    at = np.zeros(0, int) if expected is None else np.flatnonzero(np.isfinite(expected[0]))
    extra = np.zeros((len(at), design.shape[1]))
    extra[:, 0] = 1.0
    if n_samples > 1:
        extra[np.arange(len(at)), 1 + at] = 1.0
    share, weight = (np.zeros(0), 0.0) if expected is None else (expected[0][at], expected[1])
    return extra, share, np.concatenate([np.ones(len(design)), np.full(len(at), weight)])


def _newton(
    design: np.ndarray,
    target: np.ndarray,
    *,
    weights: np.ndarray,
    start: np.ndarray,
    penalty: np.ndarray,
) -> np.ndarray:
    """Take a Newton step of a ridge logistic regression on soft labels."""
    q = expit(design @ start)
    gradient = design.T @ (weights * (target - q)) - penalty * start
    hessian = (design * (weights * q * (1 - q))[:, None]).T @ design + np.diag(penalty)
    return start + np.clip(np.linalg.solve(hessian, gradient), -2.0, 2.0)
