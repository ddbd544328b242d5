from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import CYCLING, FRACTIONS
from cartscope.tl._patient_groups import Contrast, car_status_of, patient_groups
from cartscope.tl._patient_test import adjust, empty_reason, rank_columns, shift_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


def cycling_fractions(
    adata: AnnData,
    *,
    groupby: str | Sequence[str] | None = None,
    population: str = "all",
    unit: str = k.obs.patient,
) -> pd.DataFrame:
    """Share of cycling cells per patient and population.

    Parameters
    ----------
    adata
        Cells with ``obs["cycling"]``; only ``obs`` is read. Cells without a call are left out.
    groupby
        obs column(s) that split the cells into populations; ``car_status`` among them fills the
        column of that name. None: one population.
    population
        Name of the one population when ``groupby`` names none.
    unit
        obs column that names the patients.

    Returns
    -------
    One row per patient and population: sample_or_patient, population, car_status, fraction (0-1),
    n (cycling cells) and n_cells.

    Examples
    --------
    >>> import anndata as ad
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"patient": list("aabb"), "cycling": [True, False, False, False]})
    >>> cells = ad.AnnData(obs=obs.set_index(obs.index.astype(str)))
    >>> cycling_fractions(cells)["fraction"].tolist()
    [0.5, 0.0]
    """
    _check.require(adata, "obs", k.obs.cycling, made_by="cartscope.tl.cell_cycle")
    _check.require(adata, "obs", unit, made_by="your own code: it names the patient of each cell")
    keys = [groupby] if isinstance(groupby, str) else list(groupby or ())
    for key in keys:
        _check.require(adata, "obs", key, made_by="cartscope.tl.annotate or cartscope.tl.t_subsets")
    obs = adata.obs[list(dict.fromkeys([unit, k.obs.cycling, *keys]))]
    obs = obs[obs.notna().all(axis=1)]
    frame = pd.DataFrame({"sample_or_patient": obs[unit].astype(str).to_numpy()})
    words = [obs[key].astype(str).to_numpy() for key in keys if key != k.obs.car_status]
    frame["population"] = (
        [" ".join(row) for row in zip(*words, strict=True)] if words else population
    )
    if k.obs.car_status in keys:
        frame["car_status"] = obs[k.obs.car_status].astype(str).to_numpy()
    else:
        frame["car_status"] = car_status_of(adata.obs)
    frame["on"] = obs[k.obs.cycling].astype(bool).to_numpy()
    by = ["population", "car_status", "sample_or_patient"]
    long = frame.groupby(by, sort=True)["on"].agg(n="sum", n_cells="size").reset_index()
    long["fraction"] = long["n"] / long["n_cells"]
    return FRACTIONS.check(long)


def cycling(
    adata: AnnData,
    *,
    contrast: Contrast,
    groupby: str | Sequence[str] | None = None,
    population: str = "all",
    unit: str = k.obs.patient,
    min_cells: int = 50,
    name: str | None = None,
    missed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare the share of cycling cells between two groups of patients.

    Parameters
    ----------
    adata
        Cells with ``obs["cycling"]``; only ``obs`` is read.
    contrast
        ``(factor, group, reference)``: an obs column and two of its levels, compared as text; with
        a fourth entry ``{"within": "study"}`` patients are compared within the levels of that obs
        column (:func:`cartscope.stats.van_elteren`).
    groupby
        obs column(s) that split the cells into populations, tested as one family.
    population
        Name of the one population when ``groupby`` names none.
    unit
        obs column that names the patients.
    min_cells
        Cells a patient needs in a population; patients with fewer are left out of it.
    name
        Fills the ``contrast`` column.
    missed
        Corrects for CAR T cells that CAR detection missed and that sit among CAR- cells: a row
        per patient (index) with missed_share (CAR T cells among the CAR- cells, 0-1) and
        positive_fraction (cycling share of the patient's CAR+ cells, 0-1). A patient's fraction
        becomes (fraction - missed_share * positive_fraction) / (1 - missed_share), not below 0.
        Patients without both numbers are left out. None: no correction.

    Returns
    -------
    One row per population: contrast, population, car_status, n_group, n_reference, median_group,
    median_reference (fractions), u, p_value, fdr (Benjamini-Hochberg over the populations),
    family_size, min_p, reason, superiority, within, n_alone, shift with shift_low and shift_high
    (Hodges-Lehmann difference of the fractions, 95%), corrected (bool).

    Raises
    ------
    InputError
        If a level is absent, a patient has both, or ``missed`` cannot be used.

    Examples
    --------
    >>> import anndata as ad
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"patient": list("abcdef") * 60})
    >>> obs["crs"] = obs["patient"].isin(list("abc")).map({True: "high", False: "low"})
    >>> obs["cycling"] = (obs.index % 6 < 3) & (obs.index % 5 == 0)
    >>> cells = ad.AnnData(obs=obs.set_index(obs.index.astype(str)))
    >>> cycling(cells, contrast=("crs", "high", "low"))[["median_group", "p_value"]].round(2)
       median_group  p_value
    0           0.2      0.1
    """
    groups = patient_groups(adata, contrast=contrast, unit=unit)
    long = cycling_fractions(adata, groupby=groupby, population=population, unit=unit)
    populations = long[["population", "car_status"]].drop_duplicates().reset_index(drop=True)
    values = np.full((len(groups.names), len(populations)), np.nan)
    row = {patient: i for i, patient in enumerate(groups.names)}
    column = {pair: j for j, pair in enumerate(populations.itertuples(index=False, name=None))}
    if missed is not None:
        long = _corrected(long, missed)
    for entry in long[long["n_cells"] >= min_cells].itertuples():
        if entry.sample_or_patient in row:
            where = row[entry.sample_or_patient], column[entry.population, entry.car_status]
            values[where] = entry.fraction
    who = groups.in_group, groups.strata
    tests = rank_columns(values, *who), shift_columns(values, *who)
    rows = pd.concat([populations, *tests], axis=1)
    rows["reason"] = [
        empty_reason((a, b), need=f"{min_cells} cells", alone=c)
        for a, b, c in rows[["n_group", "n_reference", "n_alone"]].itertuples(index=False)
    ]
    rows["within"] = groups.within
    rows["corrected"] = missed is not None
    rows["contrast"] = groups.title if name is None else name
    table = CYCLING.check(adjust(rows))
    table.attrs.update(left_out=list(groups.left_out), family=f"{len(rows)} populations")
    return table


def _corrected(long: pd.DataFrame, missed: pd.DataFrame) -> pd.DataFrame:
    """Take the cycling of missed CAR T cells out of the fractions of CAR- cells."""
    _check.require_columns(missed, ["missed_share", "positive_fraction"], name="missed")
    wrong = set(long["car_status"]) - {k.car.negative}
    if wrong:
        msg = (
            f"missed corrects CAR- cells, but the cells given are of CAR status {sorted(wrong)}; "
            f"give the cells with obs[{k.obs.car_status!r}] == {k.car.negative!r} only."
        )
        raise InputError(msg)
    numbers = missed.set_axis(missed.index.map(str)).reindex(long["sample_or_patient"])
    share = numbers["missed_share"].to_numpy(dtype=float)
    positive = numbers["positive_fraction"].to_numpy(dtype=float)
    for values, top in ((share, 1.0), (positive, np.nextafter(1.0, 2.0))):
        bad = (values < 0) | (values >= top)
        if bad.any():
            msg = f"missed holds {values[bad][0]!r}; shares lie from 0 to 1, missed_share below 1."
            raise InputError(msg)
    out = long.copy()
    out["fraction"] = np.maximum((long["fraction"] - share * positive) / (1 - share), 0.0)
    return out
