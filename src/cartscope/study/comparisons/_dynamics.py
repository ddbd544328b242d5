"""Shares of CAR T-cell subsets over time, in patients with anakinra and in the comparator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.comparisons._weighted import WeightedStatistic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cartscope.study._context import Context

TIMES = (k.timepoints.infusion_product, k.timepoints.day7)
COUNTS = "tables/cell_counts.csv"
_FEWEST = 3  # a correlation of two points says nothing


@dataclass(frozen=True)
class Dynamics:
    """Shares of subsets, patients x time points x subsets; nan where there are too few cells."""

    subsets: tuple[str, ...]
    patients: tuple[str, ...]
    side: np.ndarray  # "group" or "reference"
    shares: np.ndarray

    def means(self, weights: np.ndarray) -> np.ndarray:
        """Return mean shares, sides x time points x subsets.

        Parameters
        ----------
        weights
            How much each patient counts.
        """
        there = np.isfinite(self.shares[:, :, 0])
        filled = np.nan_to_num(self.shares)
        out = np.full((2, len(TIMES), len(self.subsets)), np.nan)
        for i, side in enumerate((GROUP, REFERENCE)):
            w = weights * (self.side == side)
            n = w @ there
            some = n > 0
            sums = np.einsum("p,pts->ts", w, filled)
            out[i, some] = sums[some] / n[some, None]
        return out

    def changes(self, weights: np.ndarray) -> np.ndarray:
        """Return day 7 less product, sides x subsets.

        Parameters
        ----------
        weights
            How much each patient counts.
        """
        means = self.means(weights)
        return means[:, 1] - means[:, 0]

    def correlation(self) -> WeightedStatistic:
        """Return the correlation over subsets of the changes of the two sides."""

        def value(weights: np.ndarray) -> float:
            group, reference = self.changes(weights)
            varies = np.isfinite(group).all() and np.isfinite(reference).all()
            if not varies or group.std() == 0 or reference.std() == 0:
                return float("nan")
            return float(np.corrcoef(group, reference)[0, 1])

        return WeightedStatistic(
            patients=self.patients, value=value, strata=tuple(self.side.tolist())
        )

    def difference(self, subset: str) -> WeightedStatistic:
        """Return the change of one subset in the group less that in the reference.

        Parameters
        ----------
        subset
            Its name.
        """
        j = self.subsets.index(subset)

        def value(weights: np.ndarray) -> float:
            group, reference = self.changes(weights)
            return float(group[j] - reference[j])

        return WeightedStatistic(
            patients=self.patients, value=value, strata=tuple(self.side.tolist())
        )


def read_dynamics(ctx: Context, comparator: Sequence[str]) -> Dynamics | str:
    """Return the shares of every patient, or why there are none.

    Parameters
    ----------
    ctx
        The run.
    comparator
        Accessions of the cohort to compare with.
    """
    samples = ctx.read_table("tables/samples.csv").astype({"patient": str})
    if not {"study", "anakinra", "timepoint"} <= set(samples):
        return "needs study, anakinra and timepoint of the patients"
    first = samples.drop_duplicates("patient").set_index("patient")
    treated = first["anakinra"].astype(str).str.lower()
    side = pd.Series("", index=first.index)
    side[treated == "true"] = GROUP
    side[first["study"].isin(comparator) & (treated == "false")] = REFERENCE
    counts = ctx.read_table(COUNTS)
    counts = counts[(counts["cell_type"] == "T") & (counts["car_status"] == k.car.positive)]
    counts = counts[~counts["t_subset"].isin(["", k.UNASSIGNED]) & counts["timepoint"].isin(TIMES)]
    counts = counts[counts["patient"].map(side).fillna("") != ""]
    wide = counts.pivot_table(
        index=["patient", "timepoint"], columns="t_subset", values="n_cells", aggfunc="sum"
    ).fillna(0.0)
    total = wide.sum(axis=1)
    wide = wide.div(total, axis=0)[total >= ctx.preset.values("composition")["min_cells"]]
    patients = tuple(sorted(set(wide.index.get_level_values("patient"))))
    subsets = tuple(map(str, wide.columns))
    if len(subsets) < _FEWEST:
        return "too few CAR+ T cells with a subset"
    full = pd.MultiIndex.from_product([patients, TIMES])
    shares = wide.reindex(full).to_numpy(float).reshape(len(patients), len(TIMES), len(subsets))
    found = Dynamics(subsets, patients, side.reindex(patients).to_numpy(), shares)
    if np.isnan(found.changes(np.ones(len(patients)))).any():
        return "no patient with enough CAR+ T cells at one of the time points, in one of the groups"
    return found
