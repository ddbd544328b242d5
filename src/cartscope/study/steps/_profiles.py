"""The pseudobulk profiles of one contrast, each on its side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope.study.comparisons._groups import GROUP, REFERENCE

if TYPE_CHECKING:
    from anndata import AnnData

    from cartscope.study.comparisons._groups import Split

MIN_PATIENTS = 2  # a variance needs two


def rows_of(pdata: AnnData, s: Split) -> AnnData:
    """Return the profiles of a contrast's patients, with the side of each in ``obs["group"]``.

    Parameters
    ----------
    pdata
        Profiles of the contrast's population, one per patient and time point.
    s
        The contrast's patients.

    Returns
    -------
    A copy; ``group`` is categorical with the reference first, so that an interaction is group
    minus reference.
    """
    obs = pdata.obs.astype({k.obs.patient: str, k.obs.timepoint: str})
    side = pd.Series("", index=obs.index)
    if s.within_patient:
        # one patient stands on both sides, so the time point decides
        side = obs[k.obs.timepoint].map(s.side_by_timepoint()).fillna("")
        both = obs[side != ""].groupby(k.obs.patient)[k.obs.timepoint].nunique()
        side[~obs[k.obs.patient].isin(both.index[both > 1])] = ""
    else:
        for name in (GROUP, REFERENCE):
            side[obs[k.obs.patient].isin(s.members(name))] = name
        timepoints = s.contrast.samples.get(k.obs.timepoint)
        if timepoints:
            side[~obs[k.obs.timepoint].isin([str(t) for t in timepoints])] = ""
    rows = pdata[(side != "").to_numpy()].copy()
    rows.obs["group"] = pd.Categorical(side[side != ""], categories=[REFERENCE, GROUP])
    return rows


def too_few(rows: AnnData, min_cells: int) -> str:
    """Return why the profiles cannot be compared; empty if they can.

    Parameters
    ----------
    rows
        From :func:`rows_of`.
    min_cells
        Cells a profile needs.
    """
    few = [g for g in (GROUP, REFERENCE) if (rows.obs["group"] == g).sum() < MIN_PATIENTS]
    if not few:
        return ""
    return (
        f"too few cells: fewer than {MIN_PATIENTS} patients with {min_cells} cells or more in the "
        f"{' and the '.join(few)}"
    )
