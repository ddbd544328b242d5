"""Within what the patients of a contrast are compared: their study, where an arm spans both."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.manifest import Contrast
from cartscope.study.comparisons._groups import GROUP, REFERENCE, is_blank

if TYPE_CHECKING:
    from cartscope.study._context import Context
    from cartscope.study.comparisons._groups import Split

UNKNOWN = "unknown"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Strata:
    """What strata are called, and the stratum of each patient of a contrast."""

    name: str
    of: dict[str, str]

    def sides(self, obs: pd.DataFrame) -> tuple[str, str, str, dict[str, str]]:
        """Return the contrast of ``obs["group"]`` within the strata, once they are in ``obs``.

        Parameters
        ----------
        obs
            With the patient of each row; the strata are written into it.
        """
        obs[self.name] = pd.Categorical(obs[k.obs.patient].astype(str).map(self.of))
        return "group", GROUP, REFERENCE, {"within": self.name}


def strata_of(
    ctx: Context, s: Split, samples: pd.DataFrame, *, preset: str | None = None
) -> Strata | None:
    """Return within what a contrast's patients are compared; None if all are with all.

    Parameters
    ----------
    ctx
        The run.
    s
        The contrast's patients.
    samples
        The sample table.
    preset
        Whose rule; the run's own if None.
    """
    rules = ctx.preset if preset is None else ctx.manifests.preset(preset)
    if s.within_patient or not rules.values("between_patients")["within_strata"]:
        return None
    columns = [c for c in _strata(s) if c in samples]
    if absent := absent_strata(s, samples):
        _log.warning("%s: %s", s.contrast.id, absent)
    patients = [p for side in (GROUP, REFERENCE) for p in s.members(side)]
    here = samples[samples["sample_id"].isin(s.side.index[s.side != ""])]
    labels = pd.Series("", index=patients)
    for column in columns:
        labels = labels + "|" + [_of_patient(here, p, column) for p in patients]
    if labels.nunique() < 2:  # noqa: PLR2004  (one stratum is all patients)
        return None
    return Strata(" x ".join(columns), labels.str[1:].to_dict())


def absent_strata(s: Split, samples: pd.DataFrame) -> str:
    """Return which strata of a contrast no sample tells; empty if all are there.

    Parameters
    ----------
    s
        The contrast's patients.
    samples
        The sample table.
    """
    absent = [c for c in _strata(s) if c not in samples]
    if not absent:
        return ""
    return f"no sample has {' or '.join(absent)}: patients are not compared within it"


def _strata(s: Split) -> tuple[str, ...]:
    return s.contrast.strata if isinstance(s.contrast, Contrast) else ()


def _of_patient(samples: pd.DataFrame, patient: str, column: str) -> str:
    values = samples.loc[samples[k.obs.patient].astype(str) == patient, column]
    known = sorted(set(values[~is_blank(values)].astype(str)))
    if len(known) > 1:
        msg = (
            f"samples: {patient} has {column} {' and '.join(known)} in one contrast, but patients "
            "are compared within it; give one, or take it out of the contrast's strata."
        )
        raise InputError(msg)
    return known[0] if known else UNKNOWN
