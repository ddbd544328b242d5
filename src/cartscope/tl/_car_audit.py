from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._schema import CAR_CALLS
from cartscope.tl._car_interval import share_interval
from cartscope.tl._car_model import fit_car
from cartscope.tl._car_rule import CarRule, settings_of
from cartscope.tl._car_rules import before_infusion, published, recommended
from cartscope.tl._innate_fractions import missed_share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData

MIN_DETECTED: Final = 20  # T cells with a CAR count below which nothing is estimated
WIDEST: Final = 0.5  # an interval of the share wider than this says nothing


def car_audit(
    adata: AnnData, *, settings: CarRule | Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Tell, per sample, how well CAR T cells are found, how many are missed and what the rule does.

    Sensitivity is the chance that a CAR T cell of the sample has a CAR count, given the depths of
    its T cells (each counted by its probability where there is one), by a negative binomial fitted
    to the cells that have any. The true share is the mean probability or, after the published
    rule, the detected share less the ambient floor over the sensitivity. Where a sample has too
    few detected cells for a rate of its own, it borrows that of the others. Beside it stands what
    the sample alone says: the 95% profile-likelihood interval of the share when rate and size are
    free, where the rise of detection with depth tells missed CAR T cells from T cells without a
    CAR. Both assume that CAR T cells are as deep as other T cells and that none has silenced the
    CAR; a purity of the sort below 1 and a silent CAR look alike in counts. Whichever rule made
    the calls, the T cells that each of the two calls positive are counted, and those that the
    choice between them moves.

    Parameters
    ----------
    adata
        Cells with car_counts and car_status in ``obs``.
    settings
        Fields of :class:`CarRule` that differ from the defaults.

    Returns
    -------
    Table ``car_calls.csv``, one row per sample; share_low and share_high are the interval of the
    true share, missed_low and missed_high that of the missed share.

    Raises
    ------
    MissingKeyError
        If :func:`car_status` or :func:`annotate` has not run.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cartscope as cs
    >>> from anndata import AnnData
    >>> obs = pd.DataFrame({"sample": "a", "cell_type": "T"}, index=["1", "2"])
    >>> a = AnnData(np.array([[2, 5], [0, 9]], dtype="float32"), obs=obs)
    >>> a.var_names = ["YESCARTA", "CD3D"]
    >>> cs.tl.car_status(a, features=["Yescarta"], rule="published")
    >>> cs.tl.car_audit(a)[["n_t_cells", "n_positive"]].values.tolist()
    [[2, 1]]
    """
    how = settings_of(settings)
    for column, made_by in (
        (k.obs.car_counts, "tl.car_status"),
        (k.obs.car_status, "tl.car_status"),
        (how.cell_type_key, "tl.annotate"),
        (how.sample_key, "io.read_cohort"),
    ):
        _check.require(adata, "obs", column, made_by=made_by)
    if not adata.n_obs:
        return CAR_CALLS.empty()
    note = adata.uns.get(k.uns.cartscope, {}).get("car_status", {})
    because = dict(zip(note.get("not_called", ()), note.get("not_called_because", ()), strict=True))
    cells = _cells(adata, how=how, silent=because)
    samples = adata.obs[how.sample_key].astype("category").cat.categories
    fit = _fit(cells)
    enough = int((cells["is_t"] & cells["called"] & (cells["y"] > 0)).sum()) >= MIN_DETECTED
    rows = []
    for code, name in enumerate(samples):
        at = (cells["code"] == code).to_numpy()
        if not at.any():
            continue
        here = cells[at].assign(undetected=fit["undetected"][at], ambient=fit["ambient"][at])
        row = _counts(here)
        first = adata.obs.iloc[int(np.argmax(at))]  # names of cells may repeat
        row.update(
            sample=str(name),
            patient=_text(first, k.obs.patient),
            timepoint=_text(first, k.obs.timepoint),
            sorted=_text(first, k.obs.sorted).lower(),
            car_features=" ".join(str(f) for f in note.get("features", [])),
            rule=str(note.get("rule", "")),
        )
        reason = str(note.get("reason", "")) or str(because.get(str(name), ""))
        if reason:
            row.update(reason=reason, positive_share=np.nan)
        else:
            row.update(_moved(here[here["is_t"]]))
            row.update(_estimates(here[here["is_t"]], enough=enough))
            # in a sorted library hardly any cell is CAR-: nothing to tell the missed ones from
            if k.obs.car_detection in adata.obs and row["sorted"] != "true":
                row.update(_by_detection(adata.obs[at][here["is_t"].to_numpy()]))
        rows.append(row)
    return CAR_CALLS.check(pd.DataFrame(rows))


def _cells(adata: AnnData, *, how: CarRule, silent: Mapping[str, str]) -> pd.DataFrame:
    """Return what the audit looks at of each cell, the calls of both rules among it."""
    obs = adata.obs
    types = obs[how.cell_type_key].astype(object)
    counts = obs[k.obs.car_counts].to_numpy()
    called = ~obs[how.sample_key].astype(str).isin(list(silent)).to_numpy()
    before = before_infusion(obs, how)
    note = adata.uns.get(k.uns.cartscope, {}).get("car_status", {})
    ours = obs[k.obs.car_status].astype(object).to_numpy()
    if note.get("rule") != "recommended" and not note.get("reason"):
        ours = recommended(adata, counts, usable=called, before=before, how=how)[0]
    return pd.DataFrame(
        {
            "code": obs[how.sample_key].astype("category").cat.codes.to_numpy().astype(int),
            "y": counts,
            "depth": np.asarray(_check.raw_counts(adata).sum(axis=1), dtype=float).ravel(),
            "is_t": (types == "T").to_numpy(),
            "control": types.isin(how.controls).to_numpy(),
            "called": called,
            "status": obs[k.obs.car_status].astype(object).to_numpy(),
            "published": published(obs, counts, before=before, how=how)[0] == k.car.positive,
            "recommended": ours == k.car.positive,
            "p": _probability(obs),
        },
        index=obs.index,
    )


def _fit(cells: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the chance of no count and the ambient floor of every cell that could be called."""
    out = {name: np.full(len(cells), np.nan) for name in ("undetected", "ambient")}
    part = cells[cells["called"]]
    if part.empty:
        return out
    _codes, code = np.unique(part["code"], return_inverse=True)
    fit = fit_car(
        part["y"].to_numpy(),
        part["depth"].to_numpy(),
        code,
        candidate=part["is_t"].to_numpy(),
        control=part["control"].to_numpy(),
    )
    at = cells["called"].to_numpy()
    out["undetected"][at] = fit.undetected
    out["ambient"][at] = fit.ambient[code]
    return out


def _moved(t: pd.DataFrame) -> dict[str, Any]:
    """Return how many T cells either rule calls, and how many the choice of rule moves."""
    one, ours = t["published"].to_numpy(), t["recommended"].to_numpy()
    return {
        "n_published": int(one.sum()),
        "n_recommended": int(ours.sum()),
        "published_share": float(one.mean()) if len(t) else np.nan,
        "recommended_share": float(ours.mean()) if len(t) else np.nan,
        "n_gained": int((ours & ~one).sum()),
        "n_lost": int((one & ~ours).sum()),
    }


def _by_detection(t: pd.DataFrame) -> dict[str, float]:
    """Return the missed share told by depth from the cells found, where that can be told."""
    value, low, high = missed_share(t)
    if not np.isfinite(value):
        return {}
    return {"missed_share": value, "missed_low": low, "missed_high": high}


def _probability(obs: pd.DataFrame) -> np.ndarray:
    """Return the calls' own probability, nan where a rule gave only yes or no."""
    if k.obs.car_probability not in obs:
        return np.full(len(obs), np.nan)
    p = obs[k.obs.car_probability].to_numpy(dtype=float)
    known = p[np.isfinite(p)]
    return p if ((known > 0) & (known < 1)).any() else np.full(len(obs), np.nan)


def _counts(here: pd.DataFrame) -> dict[str, Any]:
    t = here[here["is_t"]]
    control = here[here["control"]]
    row = CAR_CALLS.blank(
        n_t_cells=len(t),
        n_positive=int((t["status"] == k.car.positive).sum()),
        n_negative=int((t["status"] == k.car.negative).sum()),
        n_unknown=int((t["status"] == k.car.unknown).sum()),
        n_one_umi=int((t["y"] > 0).sum()),
        n_control_cells=len(control),
        control_share=float((control["y"] > 0).mean()) if len(control) else np.nan,
    )
    row = {c: v for c, v in row.items() if c not in CAR_CALLS.optional}  # others' to estimate
    row["positive_share"] = row["n_positive"] / len(t) if len(t) else np.nan
    row["share_low"] = row["share_high"] = np.nan
    row["missed_low"] = row["missed_high"] = np.nan
    return row


def _estimates(t: pd.DataFrame, *, enough: bool) -> dict[str, Any]:
    if not enough or t.empty:
        return {
            "reason": f"not identifiable: fewer than {MIN_DETECTED} T cells with a CAR UMI in all"
        }
    said = []
    y, depth = t["y"].to_numpy(dtype=float), t["depth"].to_numpy()
    n_detected = int((y > 0).sum())
    weights = t["p"].to_numpy() if t["p"].notna().all() and t["p"].sum() > 0 else None
    sensitivity = 1 - float(np.average(t["undetected"], weights=weights))
    floor = float(-np.expm1(-(t["ambient"] * t["depth"])).mean())
    detected = n_detected / len(t)
    share = float(np.clip((detected - floor) / max(sensitivity - floor, 1e-6), 0, 1))
    if weights is not None:
        share = float(weights.mean())
    out: dict[str, Any] = {"sensitivity": sensitivity, "true_share": share}
    if n_detected < MIN_DETECTED:
        said.append(
            f"{n_detected} T cells with a CAR UMI: the detection rate is borrowed from the other "
            "samples"
        )
    else:
        low, high = share_interval(y, depth, ambient=t["ambient"].to_numpy())
        out["share_low"], out["share_high"] = low, high
        if high - low > WIDEST:
            said.append(
                f"the sample alone does not tell its share (95% interval {low:.2f}-{high:.2f})"
            )
        elif not low - 0.05 <= share <= high + 0.05:
            said.append(
                f"detection rises with depth as for a share of {low:.2f}-{high:.2f}, not of "
                f"{share:.2f}: an impure sort, silent CARs or CAR T cells of another depth, which "
                "counts cannot tell apart"
            )
    negative = t["status"] == k.car.negative
    if negative.any():
        p = t.loc[negative, "p"]
        if p.notna().all():
            out["missed_share"] = float(p.mean())
        else:
            zero = t.loc[negative, "undetected"]
            out["missed_share"] = float((share * zero / (share * zero + 1 - share + 1e-12)).mean())
    out["reason"] = "; ".join(said)
    return out


def _text(row: pd.Series, column: str) -> str:
    value = row.get(column)
    return "" if value is None or pd.isna(value) else str(value)
