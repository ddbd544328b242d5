from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import COMPOSITION, FRACTIONS, INNATE_FRACTIONS
from cartscope.tl._patient_groups import level_text, strata_of, two_levels
from cartscope.tl._patient_test import adjust, empty_reason, rank_columns, shift_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = ["sample_or_patient", "population"]
DETECTION, AS_FOUND = "detection", "as found"


def correct_missed(
    negative: pd.DataFrame,
    positive: pd.DataFrame,
    missed_share: Mapping[str, float],
    *,
    weighted: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Take CAR T cells that CAR detection missed out of the shares of CAR- cells.

    Detection finds some 80% of CAR T cells; the others sit among the CAR- cells, the more of them
    the more a patient's CAR T cells have expanded. A share then differs between patients by their
    expansion alone. ``weighted`` has the shares corrected cell by cell, by the chance to be found
    at each cell's depth. Where it has none, say because the CAR status is a user's own, missed
    cells are taken to be like found ones: with m the share of CAR T cells among the CAR- cells,
    the share becomes (share - m * share in CAR+) / (1 - m). For cycling that takes out too much:
    cycling cells are deeper, so they are found more often.

    Parameters
    ----------
    negative
        Shares among CAR- cells, from :func:`composition_fractions` or :func:`cycling_fractions`.
    positive
        The same shares among CAR+ cells; a part that CAR+ cells lack is 0 there.
    missed_share
        Patient -> share of CAR T cells among the CAR- cells, 0 to below 1, as
        :func:`car_audit` estimates it.
    weighted
        From :func:`innate_fractions`, of the same patients; None: all are taken as found.

    Returns
    -------
    ``negative`` with corrected fractions, kept between 0 and 1, and the columns observed (as they
    were), missed_share with missed_low and missed_high, se (of fraction; nan as found), clipped
    (1 where the fraction came out below 0 or above 1), method ("detection", "as found" or, where
    nothing could be corrected, empty) and reason (why not by detection). Fractions are nan for
    patients without an estimate or, as found, without CAR+ cells.

    Raises
    ------
    InputError
        If a share lies outside its range, ``negative`` is not about CAR- cells, or a patient has
        two rows of one population.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"sample_or_patient": "a", "population": "T", "n": 0, "n_cells": 100}
    >>> negative = pd.DataFrame([{**row, "car_status": "negative", "fraction": 0.12}])
    >>> positive = pd.DataFrame([{**row, "car_status": "positive", "fraction": 0.40}])
    >>> correct_missed(negative, positive, {"a": 0.2})["fraction"].round(3).tolist()
    [0.05]
    """
    negative, positive = FRACTIONS.check(negative), FRACTIONS.check(positive)
    for table, name, wanted in (
        (negative, "negative", k.car.negative),
        (positive, "positive", k.car.positive),
    ):
        found = sorted(set(table["car_status"]) - {wanted})
        if found:
            msg = f"{name} holds cells of CAR status {found}; give the shares among CAR {wanted}."
            raise InputError(msg)
        _one_row_each(table, KEY)
    share = pd.Series(missed_share, dtype=float)
    share.index = share.index.map(str)
    bad = share[(share < 0) | (share >= 1)]
    if len(bad):
        msg = f"missed_share of {bad.index[0]!r} is {bad.iloc[0]:g}; it lies from 0 to below 1."
        raise InputError(msg)
    out = negative.copy()
    m = out["sample_or_patient"].map(share).to_numpy(dtype=float)
    raw = (out["fraction"].to_numpy() - m * _as_found(out, positive, m)) / (1 - m)
    out["observed"] = out["fraction"]
    out["fraction"] = np.clip(raw, 0.0, 1.0)
    out["se"] = out["missed_low"] = out["missed_high"] = np.nan
    out["missed_share"] = m
    out["clipped"] = ((raw < 0) | (raw > 1)).astype(int)
    out["method"] = np.where(np.isfinite(raw), AS_FOUND, "")
    out["reason"] = np.where(
        np.isfinite(raw), "", "no estimate of the missed share, or no CAR+ cell"
    )
    return out if weighted is None else _by_detection(out, weighted)


def _one_row_each(table: pd.DataFrame, key: list[str]) -> None:
    twice = table[table.duplicated(key)]
    if len(twice):
        patient, population = twice.iloc[0][KEY]
        msg = f"{patient!r} has two rows of {population!r}; a patient is one value."
        raise InputError(msg)


def _as_found(negative: pd.DataFrame, positive: pd.DataFrame, m: np.ndarray) -> np.ndarray:
    """Return the shares among the CAR+ cells of the same patients."""
    other = positive.set_index(KEY)["fraction"]
    there = negative["sample_or_patient"].isin(set(positive["sample_or_patient"])).to_numpy()
    theirs = other.reindex(pd.MultiIndex.from_frame(negative[KEY])).to_numpy()
    theirs = np.where(there, np.nan_to_num(theirs), np.nan)
    # nobody needs CAR+ cells who has nothing to correct
    return np.where(m == 0, 0.0, theirs)


def _by_detection(out: pd.DataFrame, weighted: pd.DataFrame) -> pd.DataFrame:
    """Put the shares in that were corrected cell by cell."""
    weighted = INNATE_FRACTIONS.check(weighted)
    _one_row_each(weighted, KEY)
    theirs = (
        weighted.set_index(KEY).reindex(pd.MultiIndex.from_frame(out[KEY])).set_index(out.index)
    )
    good = theirs["fraction"].notna()
    for column in ("fraction", "se", "missed_share", "missed_low", "missed_high", "clipped"):
        out.loc[good, column] = theirs.loc[good, column].astype(out[column].dtype)
    why = theirs["reason"].fillna("no cell with a weight").where(~good, "")
    out["reason"] = why.where(good | (out["method"] != ""), why + "; " + out["reason"])
    out.loc[good, "method"] = DETECTION
    return out


def compare_fractions(
    fractions: pd.DataFrame,
    levels: Mapping[str, object],
    *,
    contrast: tuple[object, object],
    min_cells: int = 25,
    name: str = "",
    strata: Mapping[str, object] | None = None,
    within: str = "strata",
) -> pd.DataFrame:
    """Compare shares that are there already, for instance corrected ones, between patients.

    Parameters
    ----------
    fractions
        A row per patient and population, from :func:`composition_fractions`,
        :func:`cycling_fractions` or :func:`correct_missed`; missing shares count as no patient.
    levels
        Patient -> level of what is compared.
    contrast
        ``(group, reference)``: two of those levels, compared as text.
    min_cells
        Cells the whole needs in a patient.
    name
        Fills the ``contrast`` column.
    strata
        Patient -> stratum within which patients are compared (:func:`cartscope.stats.van_elteren`);
        None: all with all.
    within
        What strata are called, the study say.

    Returns
    -------
    One row per population and CAR status, as :func:`composition` gives them: contrast,
    population, car_status, n_group, n_reference, median_group, median_reference, u, p_value, fdr
    (over the rows), family_size, min_p, reason, superiority, within, n_alone, shift, shift_low,
    shift_high.

    Raises
    ------
    InputError
        If a level occurs nowhere or is compared with itself, or a patient has two rows of one
        population or no stratum.

    Examples
    --------
    >>> import pandas as pd
    >>> shares = pd.DataFrame({"sample_or_patient": list("abcdef"), "population": "Treg",
    ...     "car_status": "negative", "fraction": [0.3, 0.2, 0.25, 0.1, 0.15, 0.1], "n": 0,
    ...     "n_cells": 100})
    >>> levels = dict(zip("abcdef", ["high"] * 3 + ["low"] * 3))
    >>> table = compare_fractions(shares, levels, contrast=("high", "low"))
    >>> table[["population", "p_value"]].values.tolist()
    [['Treg', 0.1]]
    """
    fractions = FRACTIONS.check(fractions)
    texts = {str(patient): level_text(level) for patient, level in levels.items()}
    group, reference = two_levels(contrast, name="contrast")
    for text in (group, reference):
        _check.one_of(text, sorted(set(texts.values())), name="a level of contrast")
    known = set(fractions["sample_or_patient"])
    patients = sorted(p for p, text in texts.items() if text in {group, reference} and p in known)
    in_group = np.array([texts[p] == group for p in patients], dtype=bool)
    chosen = fractions[fractions["sample_or_patient"].isin(patients)]
    _one_row_each(chosen, [*KEY, "car_status"])
    kinds = (
        fractions[["population", "car_status"]]
        .drop_duplicates()
        .sort_values(["population", "car_status"], ignore_index=True)
    )
    enough = chosen[chosen["n_cells"] >= min_cells]
    wide = enough.pivot_table(
        index="sample_or_patient",
        columns=["population", "car_status"],
        values="fraction",
        aggfunc="first",
    ).reindex(index=patients, columns=pd.MultiIndex.from_frame(kinds))
    values = wide.to_numpy(dtype=float)
    who = in_group, strata_of(patients, strata)
    tests = rank_columns(values, *who), shift_columns(values, *who)
    rows = pd.concat([kinds, *tests], axis=1)
    rows["reason"] = [
        empty_reason((a, b), need=f"an estimate from {min_cells} cells", alone=c)
        for a, b, c in rows[["n_group", "n_reference", "n_alone"]].itertuples(index=False)
    ]
    rows["contrast"] = name
    rows["within"] = "" if strata is None else within
    return COMPOSITION.check(adjust(rows))
