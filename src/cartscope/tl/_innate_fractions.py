from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import INNATE_FRACTIONS

if TYPE_CHECKING:
    from anndata import AnnData

NORMAL = 1.96  # of a 95% interval


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error; ``raw`` is the number before it was clipped."""

    value: float
    se: float
    raw: float

    @property
    def clipped(self) -> bool:
        """Whether the number was outside its range."""
        return bool(np.isfinite(self.raw) and self.raw != self.value)


def missed_cells(found: np.ndarray, chance: np.ndarray, error: np.ndarray) -> Estimate:
    """Return the number of CAR T cells without a CAR count, told from those that have one.

    Parameters
    ----------
    found
        Probability that a cell with a CAR count is a CAR T cell; 0 without a count.
    chance
        That a CAR T cell like this one shows a CAR count.
    error
        Standard error of that chance; cells of one patient are taken to err together.
    """
    odds = (1 - chance) / chance
    total = float(found @ odds)
    # chance of being found, of being a false call, and the fit
    drawn = found @ (odds / chance) + (found * (1 - found)) @ odds**2
    if not found.any() and len(found):
        drawn = float(np.median(odds / chance))  # none found is not none there: as if one were
    fitted = found @ (error / chance**2)
    return Estimate(total, float(np.sqrt(drawn + fitted**2)), total)


def innate_share(
    found: np.ndarray, chance: np.ndarray, error: np.ndarray, *, part: np.ndarray
) -> Estimate:
    """Return the share of a part among the T cells that are no CAR T cells.

    A cell without a CAR count weighs 1; one with a count weighs 1 - found / chance: it is taken
    out itself, and with it the missed cells that it stands for. A false call is put back.

    Parameters
    ----------
    found
        Probability that a cell with a CAR count is a CAR T cell; 0 without a count.
    chance
        That a CAR T cell like this one shows a CAR count.
    error
        Standard error of that chance; cells of one patient are taken to err together.
    part
        Whether each T cell is in the part.
    """
    weight = 1 - found / chance
    whole, inside = float(weight.sum()), float(weight @ part)
    if whole < 1:
        return Estimate(np.nan, np.nan, np.nan)
    raw = inside / whole
    value = float(np.clip(raw, 0.0, 1.0))
    away = part - value
    odds = (1 - chance) / chance
    drawn = found @ (away**2 * odds / chance) + (found * (1 - found)) @ (away / chance) ** 2
    fitted = float(found @ (away * error / chance**2))
    sampled = value * (1 - value) * whole
    return Estimate(value, float(np.sqrt(drawn + fitted**2 + sampled)) / whole, raw)


def innate_fractions(
    adata: AnnData,
    *,
    parts: str,
    population: str | None = None,
    unit: str = k.obs.patient,
    sorted_key: str | None = k.obs.sorted,
) -> pd.DataFrame:
    """Share of each part among the T cells of each patient that are no CAR T cells.

    CAR- T cells hold the CAR T cells that detection missed. Every found one stands for
    (1 - s) / s missed ones, s being the chance to be found at its depth in its library
    (:func:`car_detection`); these are taken out part by part, and false calls put back. Nothing is
    supposed of how missed and found cells differ, but that given depth and library all CAR T cells
    are found alike, and that none has silenced the CAR. Missed and found cells must be of the same
    library, so CAR-sorted libraries are refused.

    Parameters
    ----------
    adata
        The T cells of the compared libraries, of every CAR status, with what
        :func:`car_detection` writes; only ``obs`` is read.
    parts
        obs column with the parts. Missing and unassigned cells count in the whole and are no
        part of their own. A column of yes and no is one part, cells without an answer left out.
    population
        Name of the one part when ``parts`` is a column of yes and no; by default ``parts``.
    unit
        obs column that names the patients.
    sorted_key
        obs column that marks cells of CAR-sorted libraries; None if there are none.

    Returns
    -------
    One row per patient and part: sample_or_patient, population, car_status ("negative"), fraction
    (corrected, 0-1; nan where not estimable), n and n_cells (as observed, among CAR- cells),
    observed, se (standard error of fraction: chance of being found, the fit of that chance, and
    the patient's cells as a sample), missed_share (CAR T cells among the CAR- cells) with
    missed_low and missed_high (95%), n_found (T cells with a CAR count), clipped (the fraction
    came out below 0 or above 1) and reason (why a fraction is missing).

    Raises
    ------
    MissingKeyError
        If :func:`car_detection` has not run.
    InputError
        If cells of CAR-sorted libraries are among the cells.

    Examples
    --------
    >>> import anndata as ad, pandas as pd
    >>> obs = pd.DataFrame({"patient": "a", "cycling": [True] * 4 + [False] * 16})
    >>> obs["car_counts"] = [2] * 2 + [0] * 18
    >>> obs["car_status"] = ["positive"] * 2 + ["negative"] * 18
    >>> obs["car_found"] = [1.0] * 2 + [0.0] * 18
    >>> obs["car_detection"], obs["car_detection_se"] = 0.5, 0.05
    >>> cells = ad.AnnData(obs=obs.set_index(obs.index.astype(str)))
    >>> innate_fractions(cells, parts="cycling")[["observed", "missed_share", "fraction"]].round(2)
       observed  missed_share  fraction
    0      0.11          0.11       0.0
    """
    for column in (k.obs.car_found, k.obs.car_detection, k.obs.car_detection_se):
        _check.require(adata, "obs", column, made_by="cartscope.tl.car_detection")
    for column in (k.obs.car_status, k.obs.car_counts):
        _check.require(adata, "obs", column, made_by="cartscope.tl.car_status")
    _check.require(adata, "obs", parts, made_by="cartscope.tl.cell_cycle or cartscope.tl.t_subsets")
    _check.require(adata, "obs", unit, made_by="your own code: it names the patient of each cell")
    obs = adata.obs
    if sorted_key is not None and sorted_key in obs:
        n_sorted = int((obs[sorted_key].astype(str).str.casefold() == "true").sum())
        if n_sorted:
            msg = (
                f"{n_sorted} cells are of CAR-sorted libraries (obs[{sorted_key!r}]): the CAR T "
                "cells missed in blood are told from those found in the same library; give the "
                "cells of unsorted libraries only."
            )
            raise InputError(msg)
    obs = obs[obs[unit].notna()]
    members, obs = _members(obs, parts, population or parts)
    rows = []
    for patient, at in obs.groupby(obs[unit].astype(str)).indices.items():
        rows += _rows(patient, obs.iloc[at], {name: part[at] for name, part in members.items()})
    if not rows:
        return INNATE_FRACTIONS.empty()
    return INNATE_FRACTIONS.check(pd.DataFrame(rows))


def _members(
    obs: pd.DataFrame, parts: str, population: str
) -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Return which cells are in each part, and the cells that count."""
    column = obs[parts]
    answers = {str(value) for value in pd.unique(column.dropna())}
    if answers <= {"True", "False"}:
        obs = obs[column.notna()]
        return {population: (obs[parts].astype(str) == "True").to_numpy()}, obs
    if isinstance(column.dtype, pd.CategoricalDtype):
        answers = {str(value) for value in column.cat.categories}
    text = column.astype(str).where(column.notna(), "").to_numpy()
    return {name: text == name for name in sorted(answers - {k.UNASSIGNED})}, obs


def _rows(
    patient: str, cells: pd.DataFrame, members: dict[str, np.ndarray]
) -> list[dict[str, object]]:
    negative = (cells[k.obs.car_status].astype(str) == k.car.negative).to_numpy()
    found, chance, error = (
        cells[name].to_numpy(dtype=float)
        for name in (k.obs.car_found, k.obs.car_detection, k.obs.car_detection_se)
    )
    m = missed_share(cells)
    n = int(negative.sum())
    known = bool(np.isfinite(chance).all())
    out = []
    for name, part in members.items():
        share = Estimate(np.nan, np.nan, np.nan)
        if known and n:
            share = innate_share(found, chance, error, part=part.astype(float))
        reason = "" if known else "the chance to find a CAR T cell is not identifiable"
        if known and np.isnan(share.value):
            reason = "no T cell left without the estimated CAR T cells" if n else "no CAR- cell"
        out.append(
            {
                "sample_or_patient": patient,
                "population": name,
                "car_status": k.car.negative,
                "fraction": share.value,
                "n": int((negative & part).sum()),
                "n_cells": n,
                "observed": float(part[negative].mean()) if n else np.nan,
                "se": share.se,
                "missed_share": m[0],
                "missed_low": m[1],
                "missed_high": m[2],
                "n_found": int((cells[k.obs.car_counts] > 0).sum()),
                "clipped": int(share.clipped),
                "reason": reason,
            }
        )
    return out


def missed_share(cells: pd.DataFrame) -> tuple[float, float, float]:
    """Return the share of CAR T cells among the CAR- cells, and its 95% interval.

    All CAR T cells without a CAR count, less those that the rule does not call CAR- all the same.

    Parameters
    ----------
    cells
        obs of the T cells of one library, or of one patient's unsorted libraries, with
        car_counts, car_status and what :func:`car_detection` writes.
    """
    status = cells[k.obs.car_status].astype(str).to_numpy()
    negative = status == k.car.negative
    n = int(negative.sum())
    found, chance, error = (
        cells[name].to_numpy(dtype=float)
        for name in (k.obs.car_found, k.obs.car_detection, k.obs.car_detection_se)
    )
    if not n or not np.isfinite(chance).all():
        return np.nan, np.nan, np.nan
    zero = (cells[k.obs.car_counts] == 0).to_numpy()
    missed = missed_cells(found, chance, error)
    number = missed.value + float(found[negative].sum())
    variance = missed.se**2
    if k.obs.car_probability in cells:
        p = cells[k.obs.car_probability].fillna(0.0).to_numpy(dtype=float)[zero & ~negative]
        number -= float(p.sum())
        variance += float(p @ (1 - p))
    margin = NORMAL * np.sqrt(variance)
    low, value, high = (
        float(np.clip(x / n, 0.0, 1.0)) for x in (number - margin, number, number + margin)
    )
    return value, low, high
