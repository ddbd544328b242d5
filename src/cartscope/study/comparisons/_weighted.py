"""Numbers that patients add up to: without each of them, and over samples of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cartscope._rng import stream

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 2000
BOOTSTRAP = f"95%, percentiles of {SAMPLES} samples of the patients with replacement"


@dataclass(frozen=True, kw_only=True)
class WeightedStatistic:
    """A number that depends on how much each patient counts.

    ``value`` takes one weight per patient (1 is once) and gives nan where nothing is left.
    """

    patients: tuple[str, ...]
    value: Callable[[np.ndarray], float]
    strata: tuple[str, ...] = ()  # one per patient: samples are drawn within each

    def whole(self) -> float:
        """Return the number with every patient once."""
        return self.value(np.ones(len(self.patients)))

    def without_each(self) -> dict[str, float]:
        """Return the number without each patient."""
        out = {}
        for i, patient in enumerate(self.patients):
            weights = np.ones(len(self.patients))
            weights[i] = 0.0
            out[patient] = self.value(weights)
        return out

    def interval(self, name: str, *, random_state: int) -> tuple[float, float]:
        """Return a 95% bootstrap interval over patients.

        Parameters
        ----------
        name
            Of the number: each has random numbers of its own.
        random_state
            Seed.

        Returns
        -------
        Lower and upper end; nan with fewer than three patients, or where a tenth of the samples
        have no value.
        """
        n = len(self.patients)
        if n < 3:  # noqa: PLR2004
            return float("nan"), float("nan")
        strata = np.array(self.strata or ("",) * n)
        rng = stream(random_state, "bootstrap over patients", name)
        values = np.empty(SAMPLES)
        blocks = [np.flatnonzero(strata == s) for s in dict.fromkeys(strata.tolist())]
        for i in range(SAMPLES):
            weights = np.zeros(n)
            for block in blocks:
                drawn = rng.integers(0, block.size, block.size)
                weights[block] = np.bincount(drawn, minlength=block.size)
            values[i] = self.value(weights)
        known = values[np.isfinite(values)]
        if known.size < 0.9 * SAMPLES:
            return float("nan"), float("nan")
        low, high = np.quantile(known, [0.025, 0.975])
        return float(low), float(high)


def lead(totals: np.ndarray, sizes: np.ndarray, named: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return by how much the best of the named columns leads the best of the others.

    Parameters
    ----------
    totals
        Patients x columns, sums.
    sizes
        Patients x columns, what the sums are divided by.
    named
        Which columns are named.

    Returns
    -------
    A function of one weight per patient.
    """

    def value(weights: np.ndarray) -> float:
        size = weights @ sizes
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(size > 0, (weights @ totals) / size, np.nan)
        ours, theirs = mean[named], mean[~named]
        if np.isnan(ours).all() or np.isnan(theirs).all():
            return float("nan")
        return float(np.nanmax(ours) - np.nanmax(theirs))

    return value
