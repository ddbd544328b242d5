from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope._errors import InputError
from cartscope._schema import LIGREC
from cartscope.tl._ligrec_means import subunits
from cartscope.tl._patient_groups import Groups, level_text, strata_of, two_levels
from cartscope.tl._patient_test import adjust, empty_reason, rank_columns, with_partner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cartscope.tl._ligrec_scores import LigandReceptorScores

ALPHA = 0.1
PRIMARY, EXPLORATORY = "primary", "exploratory"
BLIND = "expressed in enough patients, whichever group they are in"
GIVEN = "expressed, and with a gene of those given; q is too small if the same patients chose them"


class LigandReceptorTestOptions(TypedDict, total=False):
    """Further options of :func:`ligand_receptor_test`."""

    name: str | None
    expr_min: float
    min_fraction: float
    genes: Collection[str] | None
    report: Sequence[tuple[str, str]]
    primary: Sequence[tuple[str, str]]
    alpha: float


def ligand_receptor_test(
    scores: LigandReceptorScores,
    levels: Mapping[str, object],
    *,
    contrast: tuple[object, object],
    strata: Mapping[str, object] | None = None,
    within: str = "strata",
    **options: Unpack[LigandReceptorTestOptions],
) -> pd.DataFrame:
    """Compare scores that are there already; several contrasts can share them.

    Parameters
    ----------
    scores
        From :func:`ligand_receptor_scores`.
    levels
        Patient -> level; patients without one, or without scores, are left out.
    contrast
        ``(group, reference)``, compared as text.
    strata
        Patient -> stratum within which patients are compared (:func:`cartscope.stats.van_elteren`);
        None: all with all.
    within
        What strata are called, the study say.
    options
        Those of :func:`ligand_receptor` but score and min_cells, which are those of ``scores``.

    Returns
    -------
    The table that :func:`ligand_receptor` returns.

    Raises
    ------
    InputError
        If a level or option is unknown, the two levels are one, or a patient has no stratum.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cartscope.tl import LigandReceptorScores
    >>> ligand = np.array([9.0, 8, 7, 1, 2, 3])[:, None, None]
    >>> pairs = pd.DataFrame({"ligand": ["CXCL10"], "receptor": ["CXCR3"]})
    >>> one = np.ones_like(ligand)
    >>> scores = LigandReceptorScores(tuple("abcdef"), ("m",), ("m",), ("m",), pairs, ligand, one,
    ...     one, one, one[:, :, 0], "product", 10)
    >>> levels = dict(zip("abcdef", ["high"] * 3 + ["low"] * 3))
    >>> table = ligand_receptor_test(scores, levels, contrast=("high", "low"))
    >>> table[["median_group", "median_reference", "p_value"]].round(2).values.tolist()
    [[8.0, 2.0, 0.1]]
    """
    unknown = sorted(set(options) - set(LigandReceptorTestOptions.__annotations__))
    if unknown:
        msg = (
            f"ligand_receptor_test has no option {unknown}; it has "
            f"{sorted(LigandReceptorTestOptions.__annotations__)}."
        )
        raise InputError(msg)
    texts = {str(p): level_text(v) for p, v in levels.items() if not pd.isna(v)}
    group, reference = (
        _check.one_of(level, sorted(set(texts.values())), name="a level of contrast")
        for level in two_levels(contrast, name="contrast")
    )
    scored = [p for p in scores.patients if texts.get(p) in {group, reference}]
    groups = Groups(
        names=tuple(scored),
        in_group=np.array([texts[p] == group for p in scored], dtype=bool),
        contrast=("level", group, reference),
        left_out=tuple(sorted(set(texts) - set(scored))),
        strata=strata_of(scored, strata),
        within="" if strata is None else within,
    )
    return compare_scores(scores, groups, options)


def compare_scores(
    scores: LigandReceptorScores, groups: Groups, options: LigandReceptorTestOptions
) -> pd.DataFrame:
    """Test the scores of the patients of a contrast.

    Parameters
    ----------
    scores
        From :func:`ligand_receptor_scores`.
    groups
        Patients of the contrast.
    options
        Of :func:`ligand_receptor_test`.
    """
    alpha = options.get("alpha", ALPHA)
    limits = options.get("min_fraction", 0.02), options.get("expr_min", 0.0)
    rows = [scores.patients.index(name) for name in groups.names]
    primary = _named(scores.pairs, options.get("primary", ()))
    reported = primary | _named(scores.pairs, options.get("report", ()))
    names = scores.pairs[["ligand", "receptor"]]
    chosen = _with_genes(scores.pairs, options.get("genes"))
    databases = scores.pairs.get("source", pd.Series("", index=names.index)).to_numpy()
    parts = []
    for source in scores.senders:
        for target in scores.receivers:
            estimable, expressed = _expressed(scores, rows, between=(source, target), limits=limits)
            counted = estimable
            if groups.strata is not None:
                # by who has a value where, not by what the values are: still blind
                there = np.where(estimable, 1.0, np.nan)
                counted = np.isfinite(with_partner(there, groups.in_group, groups.strata))
                expressed &= counted
            smaller = np.minimum(
                counted[groups.in_group].sum(axis=0), counted[~groups.in_group].sum(axis=0)
            )
            candidate = (expressed.sum(axis=0) >= smaller) & (smaller > 0) & chosen
            keep = np.flatnonzero(candidate | reported)
            if not keep.size:
                continue
            values = scores.between(source, target)[rows][:, keep]
            part = rank_columns(values, groups.in_group, groups.strata)
            part[["ligand", "receptor"]] = names.iloc[keep].to_numpy()
            part["source"], part["target"] = source, target
            part["databases"] = databases[keep]
            part["family"] = np.where(primary[keep], PRIMARY, EXPLORATORY)
            part["reason"] = [
                _reason(
                    estimable[:, j],
                    (candidate[j], chosen[j]),
                    groups.in_group,
                    min_cells=scores.min_cells,
                )
                for j in keep
            ]
            lone = (part["p_value"].isna() & (part["reason"] == "")).to_numpy()
            part.loc[lone, "reason"] = [
                empty_reason((0, 0), need="", alone=int(n)) for n in part.loc[lone, "n_alone"]
            ]
            parts.append(part)
    if not parts:
        table = LIGREC.empty()
        table.attrs.update(family="no pair is expressed", smallest_q={})
        return table
    table = pd.concat(parts, ignore_index=True)
    untested = table["reason"] != ""
    table.loc[untested, ["u", "superiority", "p_value"]] = np.nan
    table["candidates"] = BLIND if options.get("genes") is None else GIVEN
    table["contrast"] = groups.title if options.get("name") is None else options["name"]
    group, reference = table["median_group"].to_numpy(), table["median_reference"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        table["log2_change"] = np.log2(group / reference)
    table["within"] = groups.within
    table["effect"] = 2 * table["superiority"] - 1
    hopeless = (table["reason"] == "") & (table["min_p"] >= alpha)
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


def _with_genes(pairs: pd.DataFrame, genes: Collection[str] | None) -> np.ndarray:
    if genes is None:
        return np.ones(len(pairs), dtype=bool)
    wanted = set(genes)
    both = zip(pairs["ligand"], pairs["receptor"], strict=True)
    return np.array([bool(wanted & {*subunits(a), *subunits(b)}) for a, b in both], dtype=bool)


def _reason(
    estimable: np.ndarray,
    candidate: tuple[np.bool_, np.bool_],
    in_group: np.ndarray,
    *,
    min_cells: int,
) -> str:
    if not estimable.any():
        return f"not estimable: a gene is not in the data, or no patient has {min_cells} cells"
    n = int(estimable[in_group].sum()), int(estimable[~in_group].sum())
    if 0 in n:
        return empty_reason(n, need=f"{min_cells} cells of both populations")
    if not candidate[1]:
        return "not a candidate: none of its genes is among those that choose"
    return "" if candidate[0] else "not a candidate: expressed in too few patients of either group"
