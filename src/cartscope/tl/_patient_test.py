"""What every test between patients shares: one row a test, exact p, shift and correction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cartscope.stats import (
    benjamini_hochberg,
    hodges_lehmann,
    mann_whitney,
    smallest_p,
    van_elteren,
)


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
        compared = with_partner(values, in_group, strata)
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


def with_partner(values: np.ndarray, in_group: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Return the values of units whose stratum has somebody of the other group, else nan.

    Parameters
    ----------
    values
        Units x tests; nan where a unit has no value.
    in_group
        Which units are in the group.
    strata
        Stratum of each unit.
    """
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
