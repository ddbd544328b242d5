"""What every test between patients shares: who is in which group, and one row a test."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.stats import (
    benjamini_hochberg,
    hodges_lehmann,
    mann_whitney,
    smallest_p,
    van_elteren,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

Contrast = tuple[str, object, object]


@dataclass(frozen=True)
class Groups:
    """Units (patients) of a contrast, sorted by name; ``strata`` holds the stratum of each."""

    names: tuple[str, ...]
    in_group: np.ndarray
    contrast: Contrast
    left_out: tuple[str, ...]
    strata: np.ndarray | None = None

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


def patient_groups(
    adata: AnnData, *, contrast: Contrast, unit: str, strata: str | None = None
) -> Groups:
    """Read one level, and one stratum, per unit off the cells.

    Parameters
    ----------
    adata
        Cells.
    contrast
        ``(factor, group, reference)``: an obs column and two of its levels, compared as text.
    unit
        obs column that names the patients.
    strata
        obs column within whose levels units are compared; None: all with all.

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
        _check.require(adata, "obs", strata, made_by="your own code: it holds study or batch")
        there = _one_each(adata.obs, unit, strata).set_index("unit")["level"]
        used = used[used["unit"].map(there) != ""]
        labels = used["unit"].map(there).to_numpy()
    return Groups(
        names=tuple(used["unit"]),
        in_group=(used["level"] == texts[0]).to_numpy(),
        contrast=(factor, group, reference),
        left_out=tuple(sorted(set(pairs["unit"]) - set(used["unit"]))),
        strata=labels,
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


def _triple(contrast: Contrast) -> Contrast:
    if isinstance(contrast, str) or len(contrast) != 3:  # noqa: PLR2004
        msg = f"contrast must be (obs column, group, reference), but is {contrast!r}."
        raise InputError(msg)
    two_levels(contrast[1:], name="contrast")
    return contrast


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


def rank_columns(
    values: np.ndarray, in_group: np.ndarray, strata: np.ndarray | None = None
) -> pd.DataFrame:
    """Return counts, medians and the exact U test of each column.

    Parameters
    ----------
    values
        Units x tests; nan where a unit has no value.
    in_group
        Which units are in the group; the others are the reference.
    strata
        Stratum of each unit: units are compared within strata only (van Elteren's test).

    Returns
    -------
    A row per test: n_group, n_reference, median_group, median_reference, u, superiority, p_value,
    min_p (the smallest p that any assignment of these values to the groups, within strata, could
    give), n_alone (units with a value whose stratum has nobody of the other group: they say
    nothing, and count nowhere else in the row).
    """
    alone = np.zeros(values.shape[1], dtype=np.int64)
    if strata is not None:
        compared = _with_partner(values, in_group, strata)
        alone = (np.isfinite(values) & ~np.isfinite(compared)).sum(axis=0)
        values = compared
    x, y = values[in_group], values[~in_group]
    n_x = np.isfinite(x).sum(axis=0)
    n_y = np.isfinite(y).sum(axis=0)
    table = pd.DataFrame(
        {
            "n_group": n_x,
            "n_reference": n_y,
            "median_group": _median(x),
            "median_reference": _median(y),
            "u": np.nan,
            "superiority": np.nan,
            "p_value": np.nan,
            "min_p": np.nan,
            "n_alone": alone,
        }
    )
    able = (n_x > 0) & (n_y > 0)
    if not able.any():
        return table
    x, y = x[:, able], y[:, able]
    if strata is None:
        plain = mann_whitney(x, y)
        found = [plain.u, plain.u / (n_x * n_y)[able], plain.p_value, _floors(x, y)]
    else:
        within = van_elteren(x, y, strata=(strata[in_group], strata[~in_group]))
        found = [within.u, within.superiority, within.p_value, within.min_p]
    table.loc[able, ["u", "superiority", "p_value", "min_p"]] = np.stack(found, axis=1)
    return table


def _with_partner(values: np.ndarray, in_group: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Return the values of units whose stratum has somebody of the other group, else nan."""
    out = np.full(values.shape, np.nan)
    for stratum in pd.unique(strata):
        here = strata == stratum
        known = np.isfinite(values)
        both = known[here & in_group].any(axis=0) & known[here & ~in_group].any(axis=0)
        out[np.ix_(here, both)] = values[np.ix_(here, both)]
    return out


def _floors(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the smallest p that any assignment of the values to the groups could give.

    Ties move the floor either way: tied extremes raise it, and where one end is tied the other end
    is alone at its distance from the mean, which halves it.
    """
    pooled = np.sort(np.concatenate([x, y]), axis=0).T  # nan last
    sizes = np.stack([np.isfinite(x).sum(axis=0), np.isfinite(y).sum(axis=0)], axis=1)
    steps = np.packbits(np.diff(pooled, axis=1) == 0, axis=1)
    patterns = np.concatenate([sizes, steps], axis=1)
    _, first, kind = np.unique(patterns, axis=0, return_index=True, return_inverse=True)
    floors = np.array(
        [
            smallest_p(int(sizes[i, 0]), int(sizes[i, 1]), pooled=pooled[i, : sizes[i].sum()])
            for i in first
        ]
    )
    return floors[kind.ravel()]


def shift_columns(
    values: np.ndarray, in_group: np.ndarray, strata: np.ndarray | None = None
) -> pd.DataFrame:
    """Return how far the group lies above the reference in each column.

    Parameters
    ----------
    values
        Units x tests; nan where a unit has no value.
    in_group
        Which units are in the group.
    strata
        Stratum of each unit: only differences within strata count.

    Returns
    -------
    A row per test: shift (Hodges-Lehmann), shift_low, shift_high (95%; infinite where the groups
    are too small for such an interval).
    """
    x, y = values[in_group], values[~in_group]
    if not (len(x) and len(y)):
        missing = np.full(values.shape[1], np.nan)
        return pd.DataFrame({"shift": missing, "shift_low": missing, "shift_high": missing})
    within = None if strata is None else (strata[in_group], strata[~in_group])
    shift = hodges_lehmann(x, y, strata=within)
    return pd.DataFrame({"shift": shift.estimate, "shift_low": shift.low, "shift_high": shift.high})


def _median(values: np.ndarray) -> np.ndarray:
    out = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    if some.any():
        out[some] = np.nanmedian(values[:, some], axis=0)
    return out


def adjust(table: pd.DataFrame) -> pd.DataFrame:
    """Add fdr and family_size over the rows that have a p-value.

    Parameters
    ----------
    table
        Rows of one family; changed in place and returned.
    """
    p = table["p_value"].to_numpy(dtype=float)
    able = np.isfinite(p)
    fdr = np.full(p.size, np.nan)
    if able.any():
        fdr[able] = benjamini_hochberg(p[able])
    table["fdr"] = fdr
    table["family_size"] = int(able.sum())
    return table


def empty_reason(row_n: tuple[int, int], *, need: str, alone: int = 0) -> str:
    """Say which group has nobody left, or nothing.

    Parameters
    ----------
    row_n
        Units in the group and in the reference that are compared.
    need
        What a unit needs to be counted.
    alone
        Units that have it, but whose stratum has nobody of the other group.
    """
    sides = [name for name, n in zip(("group", "reference"), row_n, strict=True) if n == 0]
    if sides and alone:
        return f"not comparable: none of the strata of {alone} patients holds both groups"
    return f"too few cells: no patient of the {' and the '.join(sides)} has {need}" if sides else ""
