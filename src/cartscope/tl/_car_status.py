from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.tl._car_model import fit_car, local_features
from cartscope.tl._expression import columns

if TYPE_CHECKING:
    from anndata import AnnData

RULES = ("published", "recommended")
MIN_FOR_AXES = 50  # candidates below which the prior is a level per sample alone


@dataclass(frozen=True)
class CarRule:
    """What a CAR call rests on, beside the counts."""

    sample_key: str = k.obs.sample
    product_key: str | None = None  # column whose values say which features a cell can have
    sorted_key: str = k.obs.sorted  # read by the published rule, and for `sort_purity`
    sort_purity: float | None = None  # CAR T cells to expect in sorted samples; None: blind
    sort_purity_cells: float = 100.0  # T cells per sample that this expectation counts for
    none_where: Mapping[str, Sequence[Any]] | None = None  # samples from before the infusion
    cell_type_key: str = k.obs.cell_type
    controls: tuple[str, ...] = ("CD14 monocyte", "CD16 monocyte", "NK", "B", "pDC", "cDC")
    use_rep: str | None = k.obsm.pca
    n_comps: int = 30
    n_axes: int = 10  # axes among T cells that the prior may depend on
    fit_key: str | None = k.obs.timepoint  # cells of different values are fitted apart
    positive_above: float = 0.55  # between the two: unknown
    negative_below: float = 0.5


def car_status(
    adata: AnnData,
    *,
    features: Sequence[str] | Mapping[str, Sequence[str]],
    rule: str = "recommended",
    settings: CarRule | Mapping[str, Any] | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Say which cells carry the CAR: positive, negative or unknown.

    ``published``: positive from one UMI of the patient's product on; a cell without one is
    negative, in a CAR-sorted sample unknown; nothing is positive before the infusion.
    ``recommended``: the probability that a cell is a CAR T cell, from its CAR counts and depth, the
    detection rate in CAR T cells, the ambient floor in control cells and, as a prior, from how many
    of the transcriptionally similar T cells are CAR T cells. Whether the sample was sorted is not
    looked at, unless ``settings.sort_purity`` says what to expect of it. What no count can tell:
    zeros of a CAR T cell with silent CAR from those of a T cell without; the model extrapolates
    from how detection falls with depth.

    Parameters
    ----------
    adata
        Cells x genes with the CAR among ``var_names``, in any case.
    features
        Names of the CAR transcripts; or, per value of ``settings.product_key``, their names.
    rule
        "recommended" or "published".
    settings
        Fields of :class:`CarRule` that differ from the defaults.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the copy. ``obs`` gets car_counts (UMI), car_status and car_probability;
    ``obsm["car_counts"]`` the counts per feature; ``uns["cartscope"]["car_status"]`` the rule, the
    features found and, when nothing could be called, the reason.

    Raises
    ------
    MissingKeyError
        If the sample or, for the recommended rule, the cell type is missing.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cartscope as cs
    >>> from anndata import AnnData
    >>> obs = pd.DataFrame({"sample": ["a", "a"], "cell_type": ["T", "T"]}, index=["1", "2"])
    >>> a = AnnData(np.array([[2, 5], [0, 9]], dtype="float32"), obs=obs)
    >>> a.var_names = ["YESCARTA", "CD3D"]
    >>> cs.tl.car_status(a, features=["Yescarta"], rule="published")
    >>> list(a.obs["car_status"])
    ['positive', 'negative']
    """
    adata = adata.copy() if copy else adata
    _check.one_of(rule, RULES, name="rule")
    how = settings_of(settings)
    _check.require(adata, "obs", how.sample_key, made_by="io.read_cohort")
    names = list(dict.fromkeys(_all_features(features)))
    found = car_columns(adata.var_names, names)
    note: dict[str, Any] = {"rule": rule, "features": list(found), "reason": ""}
    if found:
        table = columns(_check.raw_counts(adata), list(found.values())).astype(np.int64)
    else:
        table = np.zeros((adata.n_obs, 0), dtype=np.int64)
        note["reason"] = (
            f"none of the CAR features {names} is in adata.var_names; every cell is unknown"
        )
    mine = _own(adata.obs, features, found=list(found), how=how)
    counts = (table * mine).sum(axis=1)
    usable = mine.any(axis=1)
    before = _before_infusion(adata.obs, how)
    if rule == "published" or not found:
        status, probability = _published(adata.obs, counts, before=before, how=how)
    else:
        _check.require(adata, "obs", how.cell_type_key, made_by="tl.annotate")
        status, probability, fit = _recommended(
            adata, counts, usable=usable, before=before, how=how
        )
        note.update(fit)
    status[~usable] = k.car.unknown
    probability[~usable] = np.nan
    adata.obs[k.obs.car_counts] = counts
    adata.obs[k.obs.car_status] = pd.Categorical(
        status, categories=[k.car.positive, k.car.negative, k.car.unknown]
    )
    adata.obs[k.obs.car_probability] = probability
    if found:
        adata.obsm[k.obsm.car] = table
    ours = dict(adata.uns.get(k.uns.cartscope, {}))
    ours["car_status"] = note
    adata.uns[k.uns.cartscope] = ours
    return adata if copy else None


def car_columns(names: pd.Index, features: Sequence[str]) -> dict[str, int]:
    """Return the column of each CAR feature that is there, by its name in ``names``.

    Parameters
    ----------
    names
        ``adata.var_names``.
    features
        Names looked for, in any case.
    """
    wanted = {feature.casefold() for feature in features}
    return {name: i for i, name in enumerate(names) if str(name).casefold() in wanted}


def settings_of(settings: CarRule | Mapping[str, Any] | None) -> CarRule:
    """Return the rule with the given fields replaced.

    Parameters
    ----------
    settings
        A rule, or fields that differ from the defaults.
    """
    try:
        how = settings if isinstance(settings, CarRule) else CarRule(**dict(settings or {}))
    except TypeError as error:
        msg = f"settings: {error}; fields are {sorted(CarRule.__dataclass_fields__)}."
        raise InputError(msg) from error
    if how.sort_purity is not None and not 0 < how.sort_purity < 1:
        msg = f"settings.sort_purity is {how.sort_purity}, but must be above 0 and below 1."
        raise InputError(msg)
    return how


def _all_features(features: Sequence[str] | Mapping[str, Sequence[str]]) -> list[str]:
    if isinstance(features, Mapping):
        return [name for group in features.values() for name in group]
    return [features] if isinstance(features, str) else list(features)


def _own(obs: pd.DataFrame, features: Any, *, found: list[str], how: CarRule) -> np.ndarray:
    """Return cells x features found: whether the cell can have it."""
    mine = np.ones((len(obs), len(found)), dtype=bool)
    if isinstance(features, Mapping) and how.product_key is not None:
        if how.product_key not in obs:
            msg = (
                f"settings.product_key is {how.product_key!r}, which is not in adata.obs; "
                f"it has {list(obs.columns)}."
            )
            raise InputError(msg)
        product = obs[how.product_key].astype(object)
        for j, name in enumerate(found):
            holds = [
                value
                for value, group in features.items()
                if name.casefold() in {feature.casefold() for feature in group}
            ]
            mine[:, j] = product.isin(holds).to_numpy()
    return mine


def _before_infusion(obs: pd.DataFrame, how: CarRule) -> np.ndarray:
    out = np.zeros(len(obs), dtype=bool)
    for column, values in (how.none_where or {}).items():
        if column in obs:
            out |= obs[column].isin(list(values)).to_numpy()
    return out


def _published(
    obs: pd.DataFrame, counts: np.ndarray, *, before: np.ndarray, how: CarRule
) -> tuple[np.ndarray, np.ndarray]:
    positive = (counts >= 1) & ~before
    is_sorted = _sorted(obs, how)
    status = np.where(positive, k.car.positive, k.car.negative).astype(object)
    status[is_sorted & ~positive & ~before] = k.car.unknown
    return status, np.where(status == k.car.unknown, np.nan, positive.astype(float))


def _sorted(obs: pd.DataFrame, how: CarRule) -> np.ndarray:
    if how.sorted_key not in obs:
        return np.zeros(len(obs), dtype=bool)
    return (obs[how.sorted_key].astype(str).str.casefold() == "true").to_numpy()


def _recommended(
    adata: AnnData, counts: np.ndarray, *, usable: np.ndarray, before: np.ndarray, how: CarRule
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
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
    for part in _parts(adata.obs, how.fit_key):
        here = np.flatnonzero(part & usable)
        if not len(here):
            continue
        found, codes_here = np.unique(codes[here], return_inverse=True)
        among = candidate[here]
        features = None
        if points is not None and among.sum() > MIN_FOR_AXES:
            features = local_features(points[here], codes_here, among=among, n_comps=how.n_axes)
        fit = fit_car(
            counts[here],
            depth[here],
            codes_here,
            candidate=among,
            control=control[here],
            features=features,
            expected=(purity[found], how.sort_purity_cells),
        )
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


def _parts(obs: pd.DataFrame, key: str | None) -> list[np.ndarray]:
    """Return masks of the cells that are fitted together."""
    if key is None or key not in obs:
        return [np.ones(len(obs), dtype=bool)]
    values = obs[key].astype(object).where(obs[key].notna(), "")
    return [(values == value).to_numpy() for value in dict.fromkeys(values)]
