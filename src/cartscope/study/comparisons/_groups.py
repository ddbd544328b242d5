"""Which patients a contrast compares, and who is left out for want of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cartscope.manifest import Condition, Contrast, Contrasts, Fit, Outcome, Population

GROUP = "group"
REFERENCE = "reference"


@dataclass(frozen=True, kw_only=True)
class Split:
    """The patients of one contrast.

    ``side`` has one entry per sample of the contrast: ``"group"``, ``"reference"`` or ``""``.
    """

    contrast: Contrast | Fit
    side: pd.Series  # index: sample_id
    patients: pd.Series  # index: sample_id
    timepoints: pd.Series  # index: sample_id
    unplaced: tuple[str, ...]  # patients in neither, for want of a value
    needs: str
    within_patient: bool  # the same patients stand on both sides

    def members(self, side: str) -> tuple[str, ...]:
        """Return the patients of one side, sorted.

        Parameters
        ----------
        side
            ``"group"`` or ``"reference"``.
        """
        return tuple(sorted(set(self.patients[self.side == side])))

    def side_by_timepoint(self) -> dict[str, str]:
        """Return the side each time point stands on, for splits within patients."""
        placed = self.side != ""
        return dict(zip(self.timepoints[placed], self.side[placed], strict=True))

    @property
    def reason(self) -> str:
        """Why the contrast cannot be tested; empty if both sides have patients."""
        empty = [s for s in (GROUP, REFERENCE) if not self.members(s)]
        if not empty:
            return ""
        if self.patients.empty:
            return f"no sample has {_spell(self.contrast.samples)}"
        text = f"no patient in the {' and the '.join(empty)}"
        if self.unplaced:
            text += f"; {self.needs or 'values'} unknown for {len(self.unplaced)} patients"
        return text


def split(contrast: Contrast | Fit, contrasts: Contrasts, samples: pd.DataFrame) -> Split:
    """Place every sample of a contrast in its group, its reference or neither.

    Parameters
    ----------
    contrast
        The comparison, or the fit that several share.
    contrasts
        The manifest it stands in.
    samples
        One row per sample, the columns of ``samples.csv``.

    Returns
    -------
    The split, on samples that the contrast and its population's libraries allow.
    """
    rows = samples[_matches_all(samples, contrast.samples)]
    population = contrasts.population[contrast.population] if contrast.population else None
    if population is not None and population.libraries == "unsorted":
        rows = rows[~is_sorted(rows)]
    outcome = contrasts.outcome[contrast.outcome]
    group = np.any([_holds(rows, c) for c in outcome.group], axis=0)
    reference = np.all([_holds(rows, c) for c in outcome.reference], axis=0)
    allowed = np.ones(len(rows), bool)
    for name in contrast.restrict:
        conditions = contrasts.outcome[name].reference
        allowed &= np.all([_holds(rows, c) for c in conditions], axis=0)
    side = np.where(allowed & group, GROUP, np.where(allowed & reference & ~group, REFERENCE, ""))
    needs = [contrasts.outcome[o].needs for o in (contrast.outcome, *contrast.restrict)]
    columns = {
        c.column
        for o in (contrast.outcome, *contrast.restrict)
        for c in (*contrasts.outcome[o].group, *contrasts.outcome[o].reference)
    }
    missing = np.ones(len(rows), bool)  # a column that is not there is unknown for everyone
    unknown = np.any([is_blank(rows[c]) if c in rows else missing for c in columns], axis=0)
    index = pd.Index(rows["sample_id"])
    return Split(
        contrast=contrast,
        side=pd.Series(side, index=index),
        patients=pd.Series(rows["patient"].astype(str).to_numpy(), index=index),
        timepoints=pd.Series(rows["timepoint"].astype(str).to_numpy(), index=index)
        if "timepoint" in rows
        else pd.Series("", index=index),
        within_patient=outcome.within_patient,
        unplaced=tuple(sorted(set(rows.loc[(side == "") & unknown, "patient"].astype(str)))),
        needs=" and ".join(dict.fromkeys(n for n in needs if n)),
    )


def in_group(samples: pd.DataFrame, outcome: Outcome) -> set[str]:
    """Return the patients whom a known value puts in an outcome's group.

    Parameters
    ----------
    samples
        Sample table.
    outcome
        Of the manifest.
    """
    holds = np.any([_holds(samples, condition) for condition in outcome.group], axis=0)
    return set(samples.loc[holds, "patient"].astype(str))


def in_population(obs: pd.DataFrame, population: Population) -> np.ndarray:
    """Return which cells belong to a population, libraries included.

    Parameters
    ----------
    obs
        Of the annotated cells.
    population
        Of the manifest.
    """
    chosen = _matches_all(obs, population.where)
    if population.libraries == "unsorted":
        chosen &= ~is_sorted(obs)
    return chosen


def is_sorted(table: pd.DataFrame) -> np.ndarray:
    """Return which rows come from a CAR-sorted library; unknown counts as unsorted.

    Parameters
    ----------
    table
        Sample table or obs.
    """
    if k.obs.sorted not in table:
        return np.zeros(len(table), bool)
    return _equals(table[k.obs.sorted], value=True)


def _matches_all(table: pd.DataFrame, where: Mapping[str, Sequence[object]]) -> np.ndarray:
    chosen = np.ones(len(table), bool)
    for column, values in where.items():
        if column not in table:
            return np.zeros(len(table), bool)
        chosen &= np.any([_equals(table[column], value=v) for v in values], axis=0)
    return chosen


def _holds(table: pd.DataFrame, condition: Condition) -> np.ndarray:
    if condition.column not in table:
        return np.zeros(len(table), bool)
    values = table[condition.column]
    holds = np.ones(len(table), bool)
    if condition.equals is not None:
        holds &= _equals(values, value=condition.equals)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan)
    if condition.min is not None:
        holds &= numbers >= condition.min
    if condition.max is not None:
        holds &= numbers <= condition.max
    return holds


def _equals(values: pd.Series, *, value: object) -> np.ndarray:
    # booleans come as bool, as nullable boolean or as text, depending on who wrote the table
    return (values.astype(str).str.lower() == str(value).lower()).to_numpy()


def is_blank(values: pd.Series) -> np.ndarray:
    """Return which values are missing or say that they are unknown.

    Parameters
    ----------
    values
        A column of a sample table.
    """
    text = values.astype(str).str.lower()
    return (values.isna() | text.isin(["", "unknown", "nan", "<na>"])).to_numpy()


def _spell(where: Mapping[str, Sequence[object]]) -> str:
    return ", ".join(f"{c} {' or '.join(str(v) for v in vs)}" for c, vs in where.items())
