"""Who is in which group of a contrast: one level, and one stratum, per patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

# the mapping says within what patients are compared: {"within": "study"}
Contrast = tuple[str, object, object] | tuple[str, object, object, Mapping[str, str]]


@dataclass(frozen=True)
class Groups:
    """Units (patients) of a contrast, sorted by name.

    ``strata`` holds the stratum of each, ``within`` what strata are called; None and empty where
    all are compared with all.
    """

    names: tuple[str, ...]
    in_group: np.ndarray
    contrast: tuple[str, object, object]
    left_out: tuple[str, ...]
    strata: np.ndarray | None = None
    within: str = ""

    @property
    def title(self) -> str:
        """What fills the ``contrast`` column when no name is given."""
        factor, group, reference = self.contrast
        return f"{factor}: {level_text(group)} against {level_text(reference)}"


def level_text(value: object) -> str:
    """Spell a level so that 1, 1.0 and "1" are one level."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, Real) and float(value).is_integer():
        return str(int(value))
    return str(value)


def patient_groups(adata: AnnData, *, contrast: Contrast, unit: str) -> Groups:
    """Read one level, and one stratum, per unit off the cells.

    Parameters
    ----------
    adata
        Cells.
    contrast
        ``(factor, group, reference)``: an obs column and two of its levels, compared as text; a
        fourth entry ``{"within": column}`` names an obs column within whose levels units are
        compared.
    unit
        obs column that names the patients.

    Returns
    -------
    The units that have one of the two levels; units without a level or a stratum, or with a third
    level, are ``left_out``.

    Raises
    ------
    InputError
        If a level occurs nowhere, both levels are the same, or a unit has more than one level or
        stratum.
    """
    factor, group, reference = _triple(contrast)
    strata = within_of(contrast)
    _check.require(adata, "obs", unit, made_by="your own code: it names the patient of each cell")
    _check.require(adata, "obs", factor, made_by="your own code: it holds the two levels")
    pairs = _one_each(adata.obs, unit, factor)
    texts = (level_text(group), level_text(reference))
    present = sorted(set(pairs["level"]) - {""})
    for text in texts:
        if text not in present:
            _check.one_of(text, present, name=f"a level of contrast[{factor!r}]")
    used = pairs[pairs["level"].isin(texts)].sort_values("unit")
    labels = None
    if strata is not None:
        if strata in {unit, factor}:
            msg = f'{{"within": {strata!r}}} leaves nobody to compare with; name study or batch.'
            raise InputError(msg)
        _check.require(adata, "obs", strata, made_by="your own code: it holds study or batch")
        there = _one_each(adata.obs, unit, strata).set_index("unit")["level"]
        used = used[used["unit"].map(there) != ""]
        if used.empty:
            msg = f"obs[{strata!r}] is missing for every patient of the two groups; fill it in."
            raise InputError(msg)
        labels = used["unit"].map(there).to_numpy()
    return Groups(
        names=tuple(used["unit"]),
        in_group=(used["level"] == texts[0]).to_numpy(),
        contrast=(factor, group, reference),
        left_out=tuple(sorted(set(pairs["unit"]) - set(used["unit"]))),
        strata=labels,
        within=strata or "",
    )


def _one_each(obs: pd.DataFrame, unit: str, column: str) -> pd.DataFrame:
    """Return unit and level, "" where it is missing; one row per unit."""
    pairs = obs[[unit, column]].drop_duplicates()
    pairs = pairs[pairs[unit].notna()]
    pairs = pd.DataFrame(
        {
            "unit": [str(value) for value in pairs[unit]],
            "level": ["" if pd.isna(v) else level_text(v) for v in pairs[column]],
        }
    )
    twice = pairs.loc[pairs["unit"].duplicated(keep=False)].groupby("unit")["level"]
    if twice.ngroups:
        name, levels = next(iter(twice))
        msg = (
            f"obs[{column!r}] must be one value per {unit}, but {name!r} has {sorted(levels)}; "
            "give only the cells of one time point, or a column that describes the patient."
        )
        raise InputError(msg)
    return pairs


def strata_of(names: Sequence[str], strata: Mapping[str, object] | None) -> np.ndarray | None:
    """Return the stratum of each patient as text, or None where there are none.

    Parameters
    ----------
    names
        Patients.
    strata
        Patient -> stratum; None: all are compared with all.

    Raises
    ------
    InputError
        If a patient has no stratum.
    """
    if strata is None:
        return None
    known = {str(p): level_text(v) for p, v in strata.items() if not pd.isna(v)}
    absent = [name for name in names if name not in known]
    if absent:
        msg = f"strata has nothing for {absent[:3]}; give every patient a stratum, or leave it out."
        raise InputError(msg)
    return np.array([known[name] for name in names], dtype=object)


def _triple(contrast: Contrast) -> tuple[str, object, object]:
    if isinstance(contrast, str) or len(contrast) not in {3, 4}:
        msg = f"contrast must be (obs column, group, reference), but is {contrast!r}."
        raise InputError(msg)
    factor, group, reference = contrast[:3]
    two_levels((group, reference), name="contrast")
    return factor, group, reference


def within_of(contrast: Contrast) -> str | None:
    """Return the obs column within whose levels a contrast compares; None: all with all.

    Parameters
    ----------
    contrast
        ``(factor, group, reference)`` or with a fourth entry ``{"within": column}``.

    Raises
    ------
    InputError
        If the fourth entry is anything else.
    """
    if len(contrast) == 3:  # noqa: PLR2004
        return None
    last = contrast[3]
    right = isinstance(last, Mapping) and set(last) == {"within"}
    if not right or not isinstance(last["within"], str):
        msg = (
            f'the fourth entry of contrast must be {{"within": obs column}}, but is {last!r}; '
            "for several columns paste them into one."
        )
        raise InputError(msg)
    return last["within"]


def two_levels(levels: Sequence[object], *, name: str) -> tuple[str, str]:
    """Return two levels as text, and refuse one that is compared with itself.

    Parameters
    ----------
    levels
        The two.
    name
        How the message calls them.
    """
    first, second = map(level_text, levels)
    if first == second:
        msg = f"{name} compares a level with itself, {first!r}; give two levels."
        raise InputError(msg)
    return first, second


def car_status_of(obs: pd.DataFrame) -> str:
    """Return the one CAR status of the cells, or "all" if there are several or none is known."""
    if k.obs.car_status not in obs:
        return "all"
    values = pd.unique(obs[k.obs.car_status].dropna())
    return str(values[0]) if len(values) == 1 else "all"


def unit_codes(adata: AnnData, unit: str, names: Sequence[str]) -> np.ndarray:
    """Return each cell's position in ``names``, or -1."""
    values, levels = pd.factorize(adata.obs[unit])
    lookup = {name: i for i, name in enumerate(names)}
    places = np.array([lookup.get(str(level), -1) for level in levels] + [-1], dtype=np.int64)
    return places[values]
