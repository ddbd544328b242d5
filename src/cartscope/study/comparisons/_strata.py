"""Within what the patients of a contrast are compared: their study, where an arm spans both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope.study.comparisons._groups import GROUP, REFERENCE, is_blank

if TYPE_CHECKING:
    from cartscope.study._context import Context
    from cartscope.study.comparisons._groups import Split

UNKNOWN = "unknown"


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
    columns = [c for c in getattr(s.contrast, "strata", ()) if c in samples]
    patients = [p for side in (GROUP, REFERENCE) for p in s.members(side)]
    about = samples.astype({k.obs.patient: str}).drop_duplicates(k.obs.patient)
    about = about.set_index(k.obs.patient).loc[patients, columns]
    labels = pd.Series("", index=about.index)
    for column in columns:
        labels = labels + "|" + about[column].astype(str).mask(is_blank(about[column]), UNKNOWN)
    if labels.nunique() < 2:  # noqa: PLR2004  (one stratum is all patients)
        return None
    return Strata(" x ".join(columns), labels.str[1:].to_dict())
