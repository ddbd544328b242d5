from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import LIGREC
from cartscope.tl._ligrec_scores import LigandReceptorScores, ligand_receptor_scores
from cartscope.tl._patient_test import (
    Contrast,
    Groups,
    adjust,
    empty_reason,
    patient_groups,
    rank_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

ALPHA = 0.1
PRIMARY, EXPLORATORY = "primary", "exploratory"


class LigandReceptorOptions(TypedDict, total=False):
    """Further options of :func:`ligand_receptor`."""

    name: str | None
    score: str
    min_cells: int
    expr_min: float
    min_fraction: float
    report: Sequence[tuple[str, str]]
    primary: Sequence[tuple[str, str]]
    alpha: float


def ligand_receptor(
    adata: AnnData,
    *,
    groupby: str,
    contrast: Contrast,
    resource: pd.DataFrame,
    unit: str = k.obs.patient,
    senders: Sequence[str] | None = None,
    receivers: Sequence[str] | None = None,
    **options: Unpack[LigandReceptorOptions],
) -> pd.DataFrame:
    """Compare ligand-receptor scores between two groups of patients.

    One score per patient, ordered pair of populations and ligand-receptor pair, compared by the
    exact U test. A pair is tested between two populations when as many patients as the smaller
    group has express ligand and receptor there, whichever group they are in: choosing pairs by
    their differential expression in the same patients and then testing them would use the data
    twice. For candidates of another kind give their rows of ``resource`` and ``min_fraction=0``.

    Parameters
    ----------
    adata
        Cells with log1p expression in ``X``.
    groupby
        obs column with the populations; cells without one are left out.
    contrast
        ``(factor, group, reference)``: an obs column and two of its levels, compared as text.
    resource
        Pairs: columns ligand and receptor, subunits of a complex joined by "_".
    unit
        obs column that names the patients.
    senders
        Populations that send; None: all.
    receivers
        Populations that receive; None: all.
    options
        name (fills the ``contrast`` column), score (``"product"``, the default,
        ``"geometric_mean"`` or ``"mean"``), min_cells (10: cells of a population a patient needs),
        min_fraction (0.02: share of the patient's cells that have the ligand in the source, and
        the receptor in the target; receptors are sparse, CXCR3 shows in 2% of blood CD4 T
        cells), expr_min (0: likewise for mean log1p expression), report (pairs that get a row even
        where they are not tested), primary (pairs named before looking: reported, and a family of
        their own), alpha (0.1: level of q that "not attainable" refers to).

    Returns
    -------
    One row per tested pair, source and target, and per reported pair: contrast, source, target,
    ligand, receptor, n_group, n_reference (patients), median_group, median_reference (score),
    log2_change (of the medians; infinite where one is 0), u, p_value, fdr (Benjamini-Hochberg
    over the rows of its family without a reason), family_size, min_p (the smallest p that any
    assignment of these scores to the groups could give), reason, effect (rank-biserial, -1 to 1),
    databases, family ("primary" or "exploratory": at 4 against 6 patients q below 0.1 needs a
    tenth of a family at its floor, which thousands of pairs never reach and a few named ones
    can). A row whose min_p is above alpha says "not attainable" beside its p and is not in the
    family, whoever is in which group. ``attrs`` has family, smallest_q (of a family that lies at
    its floor), n_not_attainable, n_considered and left_out.

    Raises
    ------
    InputError
        If a level, population or option is unknown, or a patient has both levels.

    Examples
    --------
    >>> import anndata as ad
    >>> import numpy as np
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"patient": np.repeat(list("abcdef"), 20)})
    >>> obs["crs"] = np.repeat(["high", "low"], 60)
    >>> obs["type"] = np.tile(np.repeat(["mono", "T"], 10), 6)
    >>> obs.index = obs.index.astype(str)
    >>> x = np.stack([np.repeat([6, 5, 4, 3, 2, 1], 20), np.ones(120)], axis=1)
    >>> cells = ad.AnnData(x.astype(float), obs=obs, var=pd.DataFrame(index=["CXCL10", "CXCR3"]))
    >>> pairs = pd.DataFrame({"ligand": ["CXCL10"], "receptor": ["CXCR3"]})
    >>> table = ligand_receptor(cells, groupby="type", contrast=("crs", "high", "low"),
    ...     resource=pairs, senders=["mono"], receivers=["T"])
    >>> table[["median_group", "median_reference", "log2_change", "p_value"]].round(2)
       median_group  median_reference  log2_change  p_value
    0           5.0               2.0         1.32      0.1
    """
    _known(options)
    groups = patient_groups(adata, contrast=contrast, unit=unit)
    scores = ligand_receptor_scores(
        adata,
        groupby=groupby,
        resource=resource,
        unit=unit,
        senders=senders,
        receivers=receivers,
        score=options.get("score", "product"),
        min_cells=options.get("min_cells", 10),
    )
    return compare_scores(scores, groups, options)


def compare_scores(
    scores: LigandReceptorScores, groups: Groups, options: LigandReceptorOptions
) -> pd.DataFrame:
    """Test scores that are there already; see :func:`ligand_receptor`.

    Parameters
    ----------
    scores
        From :func:`ligand_receptor_scores`.
    groups
        Patients of the contrast.
    options
        As in :func:`ligand_receptor`; score and min_cells are those of ``scores``.
    """
    alpha = options.get("alpha", ALPHA)
    limits = options.get("min_fraction", 0.02), options.get("expr_min", 0.0)
    rows = [scores.patients.index(name) for name in groups.names]
    primary = _named(scores.pairs, options.get("primary", ()))
    reported = primary | _named(scores.pairs, options.get("report", ()))
    names = scores.pairs[["ligand", "receptor"]]
    databases = scores.pairs.get("source", pd.Series("", index=names.index)).to_numpy()
    parts = []
    for source in scores.senders:
        for target in scores.receivers:
            estimable, expressed = _expressed(scores, rows, between=(source, target), limits=limits)
            smaller = np.minimum(
                estimable[groups.in_group].sum(axis=0), estimable[~groups.in_group].sum(axis=0)
            )
            candidate = (expressed.sum(axis=0) >= smaller) & (smaller > 0)
            keep = np.flatnonzero(candidate | reported)
            if not keep.size:
                continue
            values = scores.between(source, target)[rows][:, keep]
            part = rank_columns(values, groups.in_group)
            part[["ligand", "receptor"]] = names.iloc[keep].to_numpy()
            part["source"], part["target"] = source, target
            part["databases"] = databases[keep]
            part["family"] = np.where(primary[keep], PRIMARY, EXPLORATORY)
            part["reason"] = [
                _reason(estimable[:, j], candidate[j], groups.in_group, min_cells=scores.min_cells)
                for j in keep
            ]
            parts.append(part)
    if not parts:
        table = LIGREC.empty()
        table.attrs.update(family="no pair is expressed", smallest_q={})
        return table
    table = pd.concat(parts, ignore_index=True)
    untested = table["reason"] != ""
    table.loc[untested, ["u", "p_value"]] = np.nan
    table["contrast"] = groups.title if options.get("name") is None else options["name"]
    group, reference = table["median_group"].to_numpy(), table["median_reference"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        table["log2_change"] = np.log2(group / reference)
        pairs_of_patients = table["n_group"] * table["n_reference"]
        table["effect"] = 2 * table["u"] / pairs_of_patients.where(pairs_of_patients > 0) - 1
    hopeless = (table["reason"] == "") & (table["min_p"] > alpha)
    table.loc[hopeless, "reason"] = [
        f"not attainable: p cannot be below {p:.2g} with {a} against {b} patients"
        for a, b, p in table.loc[hopeless, ["n_group", "n_reference", "min_p"]].itertuples(
            index=False
        )
    ]
    able = table["reason"] == ""
    table["fdr"], table["family_size"] = np.nan, 0
    for family in (PRIMARY, EXPLORATORY):
        rows_of = table["family"] == family
        table.loc[rows_of, "family_size"] = int((able & rows_of).sum())
        table.loc[able & rows_of, "fdr"] = adjust(table[able & rows_of].copy())["fdr"]
    table = LIGREC.check(table)
    sizes = table[able].groupby("family")
    table.attrs.update(
        family="; ".join(f"{name}: {n} tests" for name, n in sizes.size().items()),
        smallest_q={name: float(p) for name, p in sizes["min_p"].min().items()},
        n_not_attainable=int(hopeless.sum()),
        n_considered=len(names) * len(scores.senders) * len(scores.receivers),
        left_out=list(groups.left_out),
        score=scores.score,
    )
    return table


def _known(options: LigandReceptorOptions) -> None:
    unknown = sorted(set(options) - set(LigandReceptorOptions.__annotations__))
    if unknown:
        msg = (
            f"ligand_receptor has no option {unknown}; it has "
            f"{sorted(LigandReceptorOptions.__annotations__)}."
        )
        raise InputError(msg)


def _expressed(
    scores: LigandReceptorScores,
    rows: list[int],
    *,
    between: tuple[str, str],
    limits: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Patients x pairs: can be estimated, and both sides are above the limits."""
    source, target = (scores.populations.index(name) for name in between)
    ligand, receptor = scores.ligand[rows, source], scores.receptor[rows, target]
    shares = scores.ligand_share[rows, source], scores.receptor_share[rows, target]
    lower_share, lower_mean = np.minimum(*shares), np.minimum(ligand, receptor)
    above = (lower_share >= limits[0]) & (lower_mean >= limits[1]) & (lower_mean > 0)
    return np.isfinite(lower_mean), above


def _named(pairs: pd.DataFrame, wanted: Sequence[tuple[str, str]]) -> np.ndarray:
    chosen = {tuple(pair) for pair in wanted}
    have = zip(pairs["ligand"], pairs["receptor"], strict=True)
    return np.array([pair in chosen for pair in have], dtype=bool)


def _reason(
    estimable: np.ndarray,
    candidate: np.bool_,
    in_group: np.ndarray,
    *,
    min_cells: int,
) -> str:
    if not estimable.any():
        return f"not estimable: a gene is not in the data, or no patient has {min_cells} cells"
    n = int(estimable[in_group].sum()), int(estimable[~in_group].sum())
    if 0 in n:
        return empty_reason(n, need=f"{min_cells} cells of both populations")
    return "" if candidate else "not a candidate: expressed in too few patients of either group"
