"""The two rules: from CAR counts to a status and a probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope import _check
from cartscope import _keys as k
from cartscope.tl._car_model import local_features
from cartscope.tl._car_parts import fit_parts

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from cartscope.tl._car_rule import CarRule

MIN_FOR_AXES = 50  # candidates below which the prior is a level per sample alone


def before_infusion(obs: pd.DataFrame, how: CarRule) -> np.ndarray:
    """Return which cells are from before the infusion, where none carries the CAR.

    Parameters
    ----------
    obs
        The cells.
    how
        The rule's settings.
    """
    out = np.zeros(len(obs), dtype=bool)
    for column, values in (how.none_where or {}).items():
        if column in obs:
            out |= obs[column].isin(list(values)).to_numpy()
    return out


def published(
    obs: pd.DataFrame, counts: np.ndarray, *, before: np.ndarray, how: CarRule
) -> tuple[np.ndarray, np.ndarray]:
    """Return status and probability by one UMI.

    Parameters
    ----------
    obs
        The cells.
    counts
        UMI of each cell's own CAR.
    before
        Cells from before the infusion.
    how
        The rule's settings.
    """
    positive = (counts >= 1) & ~before
    is_sorted = _sorted(obs, how)
    status = np.where(positive, k.car.positive, k.car.negative).astype(object)
    status[is_sorted & ~positive & ~before] = k.car.unknown
    return status, np.where(status == k.car.unknown, np.nan, positive.astype(float))


def recommended(
    adata: AnnData, counts: np.ndarray, *, usable: np.ndarray, before: np.ndarray, how: CarRule
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return status, probability and what was estimated per sample.

    Parameters
    ----------
    adata
        The cells.
    counts
        UMI of each cell's own CAR.
    usable
        Cells whose CAR the data can say something about; the others are unknown.
    before
        Cells from before the infusion.
    how
        The rule's settings.
    """
    types = adata.obs[how.cell_type_key].astype(object)
    candidate = types.isin(["T", k.UNASSIGNED]).to_numpy() & ~before
    control = types.isin(how.controls).to_numpy() | before
    samples = adata.obs[how.sample_key].astype("category")
    codes = samples.cat.codes.to_numpy().astype(int)
    depth = np.asarray(_check.raw_counts(adata).sum(axis=1), dtype=float).ravel()
    points = None
    if how.use_rep is not None and how.use_rep in adata.obsm:
        points = np.asarray(adata.obsm[how.use_rep], dtype=float)[:, : how.n_comps]
    purity = np.full(len(samples.cat.categories), np.nan)
    if how.sort_purity is not None:
        purity[codes[_sorted(adata.obs, how)]] = how.sort_purity
    probability = np.full(adata.n_obs, np.nan)
    rows: list[dict[str, Any]] = []
    parts: list[tuple[np.ndarray, np.ndarray, dict[str, Any]]] = []
    for part in parts_of(adata.obs, how.fit_key):
        here = np.flatnonzero(part & usable)
        if not len(here):
            continue
        found, codes_here = np.unique(codes[here], return_inverse=True)
        among = candidate[here]
        features = None
        if points is not None and among.sum() > MIN_FOR_AXES:
            features = local_features(points[here], codes_here, among=among, n_comps=how.n_axes)
        arguments = {
            "counts": counts[here],
            "depth": depth[here],
            "samples": codes_here,
            "candidate": among,
            "control": control[here],
            "features": features,
            "expected": (purity[found], how.sort_purity_cells),
        }
        parts.append((here, found, arguments))
    fits = fit_parts([arguments for *_, arguments in parts])
    for (here, found, _), fit in zip(parts, fits, strict=True):
        probability[here] = fit.probability
        for j, code in enumerate(found):
            rows.append(
                {
                    "sample": str(samples.cat.categories[code]),
                    "rate": fit.rate[j],
                    "size": fit.size,
                    "ambient": fit.ambient[j],
                    "share": fit.share[j],
                }
            )
    probability[before & usable] = 0.0
    status = np.full(adata.n_obs, k.car.unknown, dtype=object)
    status[probability >= how.positive_above] = k.car.positive
    status[probability < how.negative_below] = k.car.negative
    columns_of = ("sample", "rate", "size", "ambient", "share")
    note: dict[str, Any] = {}
    if rows:
        note = {name: np.array([row[name] for row in rows]) for name in columns_of}
    note["sort_purity"] = np.nan if how.sort_purity is None else how.sort_purity
    return status, probability, note


def parts_of(obs: pd.DataFrame, key: str | None) -> list[np.ndarray]:
    """Return masks of the cells that are fitted together.

    Parameters
    ----------
    obs
        Of the cells.
    key
        Column whose values are fitted apart; None or an absent one for all together.
    """
    if key is None or key not in obs:
        return [np.ones(len(obs), dtype=bool)]
    values = obs[key].astype(object).where(obs[key].notna(), "")
    return [(values == value).to_numpy() for value in dict.fromkeys(values)]


def _sorted(obs: pd.DataFrame, how: CarRule) -> np.ndarray:
    if how.sorted_key not in obs:
        return np.zeros(len(obs), dtype=bool)
    return (obs[how.sorted_key].astype(str).str.casefold() == "true").to_numpy()
