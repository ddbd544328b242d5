from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import COMPOSITION, FRACTIONS
from cartscope.tl._composition_tests import COMPOSITION_TESTS
from cartscope.tl._patient_groups import Contrast, car_status_of, patient_groups, unit_codes
from cartscope.tl._patient_test import adjust, empty_reason, with_partner

if TYPE_CHECKING:
    from anndata import AnnData


def composition_fractions(
    adata: AnnData, *, parts: str, unit: str = k.obs.patient, sorted_key: str | None = k.obs.sorted
) -> pd.DataFrame:
    """Share of each part among the cells of each patient.

    Parameters
    ----------
    adata
        The cells that make up the whole, for instance the CAR- T cells of day 7; only ``obs`` is
        read.
    parts
        obs column with the parts. Missing and unassigned cells count in the whole and are no
        part of their own; categories without a cell are parts with fraction 0.
    unit
        obs column that names the patients.
    sorted_key
        obs column that marks cells of CAR-sorted libraries, in which compositions are an artefact
        of sorting. None allows them; within CAR+ cells they are allowed anyway.

    Returns
    -------
    One row per patient and part: sample_or_patient, population, car_status, fraction (0-1), n
    (cells of the part) and n_cells (cells of the whole).

    Raises
    ------
    InputError
        If cells of CAR-sorted libraries are among cells that are not all CAR+.

    Examples
    --------
    >>> import anndata as ad
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"patient": list("aaab"), "t_subset": ["Treg", "CD8", "CD8", "CD8"]})
    >>> cells = ad.AnnData(obs=obs.set_index(obs.index.astype(str)))
    >>> composition_fractions(cells, parts="t_subset")["fraction"].round(2).tolist()
    [0.67, 0.33, 1.0, 0.0]
    """
    _refuse_sorted(adata, sorted_key)
    counts, totals = _counts(adata, parts=parts, unit=unit)
    n_units, n_parts = counts.shape
    long = pd.DataFrame(
        {
            "sample_or_patient": np.repeat(counts.index.to_numpy(), n_parts),
            "population": np.tile(counts.columns.to_numpy(), n_units),
            "n": counts.to_numpy().ravel(),
            "n_cells": np.repeat(totals.to_numpy(), n_parts),
        }
    )
    long["fraction"] = long["n"] / long["n_cells"]
    long["car_status"] = car_status_of(adata.obs)
    return FRACTIONS.check(long)


def composition(
    adata: AnnData,
    *,
    parts: str,
    contrast: Contrast,
    unit: str = k.obs.patient,
    min_cells: int = 25,
    name: str | None = None,
    test: str = "mann_whitney",
    sorted_key: str | None = k.obs.sorted,
) -> pd.DataFrame:
    """Compare the shares of cell types or subsets between two groups of patients.

    One value per patient, so the number of cells never buys significance. A part that a patient
    lacks is a fraction of 0; a part that no patient has is a row with a reason and leaves the
    family.

    Parameters
    ----------
    adata
        The cells that make up the whole, for instance the CAR- T cells of day 7; only ``obs`` is
        read, so an object without X will do.
    parts
        obs column with the parts. Missing and unassigned cells count in the whole and are no
        part of their own.
    contrast
        ``(factor, group, reference)``: an obs column and two of its levels, compared as text; with
        a fourth entry ``{"within": "study"}`` patients are compared within the levels of that obs
        column (:func:`cartscope.stats.van_elteren`; a mean of its own in the moderated t).
    unit
        obs column that names the patients.
    min_cells
        Cells the whole needs in a patient; patients with fewer are left out.
    name
        Fills the ``contrast`` column.
    test
        ``"mann_whitney"`` (exact U test of the fractions), ``"clr"`` (exact U test of centered
        log ratios) or ``"propeller"`` (moderated t of logits).
    sorted_key
        obs column that marks cells of CAR-sorted libraries, in which compositions are an artefact
        of sorting. None allows them; within CAR+ cells they are allowed anyway.

    Returns
    -------
    One row per part: contrast, population (the part), car_status ("all" unless the cells share
    one), n_group, n_reference, median_group, median_reference (fractions), u, p_value, fdr
    (Benjamini-Hochberg over the parts), family_size, min_p (the smallest p these numbers of
    patients can give), reason, superiority, within, n_alone; then shift with shift_low and
    shift_high (Hodges-Lehmann difference of the fractions, 95%), test, stat, and effect with
    effect_low and effect_high on the scale of the test, which ``attrs["test"]`` describes.
    ``attrs["left_out"]`` names patients without one of the two levels, ``attrs["few_cells"]``
    those below ``min_cells``.

    Raises
    ------
    InputError
        If a level is absent, a patient has both, or cells of CAR-sorted libraries are among cells
        that are not all CAR+.

    Examples
    --------
    >>> import anndata as ad
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"patient": list("abcdef") * 50})
    >>> obs["crs"] = obs["patient"].isin(list("abc")).map({True: "high", False: "low"})
    >>> obs["t_subset"] = ["Treg" if i % 5 == 0 and i % 6 < 3 else "CD8" for i in obs.index]
    >>> cells = ad.AnnData(obs=obs.set_index(obs.index.astype(str)))
    >>> table = composition(cells, parts="t_subset", contrast=("crs", "high", "low"))
    >>> table.loc[table["population"] == "Treg", ["median_group", "p_value", "min_p"]].round(2)
       median_group  p_value  min_p
    1           0.2      0.1    0.1
    """
    method = COMPOSITION_TESTS[_check.one_of(test, tuple(COMPOSITION_TESTS), name="test")]
    _refuse_sorted(adata, sorted_key)
    groups = patient_groups(adata, contrast=contrast, unit=unit)
    counts, totals = _counts(adata, parts=parts, unit=unit)
    names = np.asarray(groups.names, dtype=object)
    enough = totals.reindex(names, fill_value=0).to_numpy() >= min_cells
    used, in_group = names[enough], groups.in_group[enough]
    within = None if groups.strata is None else groups.strata[enough]
    rows = pd.DataFrame({"population": counts.columns.astype(str)})
    numbers = counts.reindex(used, fill_value=0).to_numpy(dtype=float)
    whole = totals.reindex(used, fill_value=0).to_numpy(dtype=float)
    compared = np.ones(len(used), dtype=bool)
    if within is not None:
        mask = np.isfinite(with_partner(np.ones((len(used), 1)), in_group, within)[:, 0])
        compared = mask if mask.any() else compared
    present = numbers[compared].sum(axis=0) > 0
    result = method.function(numbers[:, present], whole, (in_group, within))
    rows = rows.join(result.set_index(np.flatnonzero(present)))
    for column, group in (("n_group", in_group), ("n_reference", ~in_group)):
        rows[column] = rows[column].fillna(int((group & compared).sum()))
    rows["n_alone"] = rows["n_alone"].fillna(int((~compared).sum()))
    rows["reason"] = np.where(present, "", "absent: no cell of this part in any patient compared")
    few = empty_reason((int(in_group.sum()), int((~in_group).sum())), need=f"{min_cells} cells")
    if few:
        rows["reason"] = few
    if (rows["n_alone"] > 0).any():
        lone = rows["p_value"].isna() & (rows["reason"] == "")
        rows.loc[lone, "reason"] = [
            empty_reason((a, b), need="a cell", alone=int(c))
            for a, b, c in rows.loc[lone, ["n_group", "n_reference", "n_alone"]].itertuples(
                index=False
            )
        ]
    silent = rows["p_value"].isna() & (rows["reason"] == "")
    rows.loc[silent, "reason"] = f"not estimable by {test} with these patients"
    rows["contrast"] = groups.title if name is None else name
    rows["car_status"] = car_status_of(adata.obs)
    rows["test"] = test
    rows["within"] = groups.within
    table = COMPOSITION.check(adjust(rows))
    table.attrs.update(
        left_out=list(groups.left_out),
        few_cells=[str(n) for n in names[~enough]],
        test=method.describe,
        family=f"{len(rows)} parts of {parts}",
    )
    return table


def _refuse_sorted(adata: AnnData, sorted_key: str | None) -> None:
    if sorted_key is None or sorted_key not in adata.obs:
        return
    if car_status_of(adata.obs) == k.car.positive:
        return
    marked = adata.obs[sorted_key].map(_is_true).fillna(value=False).to_numpy(dtype=bool)
    if marked.any():
        msg = (
            f"{int(marked.sum())} of {adata.n_obs} cells come from CAR-sorted libraries "
            f"(obs[{sorted_key!r}]), whose composition is what was sorted for; drop them, "
            "restrict the cells to CAR+ ones, or pass sorted_key=None to count them all the same."
        )
        raise InputError(msg)


def _is_true(value: object) -> bool:
    return str(value).lower() in {"true", "1", "1.0"}


def _counts(adata: AnnData, *, parts: str, unit: str) -> tuple[pd.DataFrame, pd.Series]:
    """Cells per patient and part, and per patient."""
    _check.require(adata, "obs", parts, made_by="cartscope.tl.annotate or cartscope.tl.t_subsets")
    _check.require(adata, "obs", unit, made_by="your own code: it names the patient of each cell")
    column = adata.obs[parts]
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = [str(value) for value in column.cat.categories]
    else:
        names = [str(value) for value in pd.unique(column.dropna())]
    names = sorted({n for n in names if n != k.UNASSIGNED})
    units = sorted({str(value) for value in adata.obs[unit].dropna().unique()})
    code = unit_codes(adata, unit, units)
    part = pd.Categorical(column.astype(str).where(column.notna()), categories=names).codes
    totals = np.bincount(code[code >= 0], minlength=len(units))
    both = (code >= 0) & (part >= 0)
    flat = np.bincount(
        code[both] * max(len(names), 1) + part[both], minlength=len(units) * len(names)
    )
    counts = pd.DataFrame(flat.reshape(len(units), len(names)), index=units, columns=names)
    return counts, pd.Series(totals, index=units)
