"""Which pairs each preset tests, and what its rule does to q."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import stats, tl
from cartscope._check import one_of
from cartscope._schema import LIGREC_CANDIDATES
from cartscope.study._settings import PRESETS
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.comparisons._strata import strata_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cartscope.study._context import Context
    from cartscope.study.comparisons._groups import Split
    from cartscope.tl import LigandReceptorScores

PICKED_FROM = "tables/de_published.csv"
TWICE = "picked by differential expression in the same patients and then tested: q is too small"
NONE = "no pair is a candidate"
CAVEATS = {"expression": "picked by expression alone, blind to the groups", "de": TWICE}


def picking_genes(ctx: Context) -> frozenset[str]:
    """Return the genes that pick pairs where a preset picks by differential expression.

    Parameters
    ----------
    ctx
        The run.

    Returns
    -------
    Genes that pass in a contrast of an outcome that ``ligand_receptor.toml`` names, by the
    published preset's engine and level.
    """
    contrasts = ctx.manifests.contrasts
    outcomes = ctx.manifests.ligand_receptor.candidates.outcomes
    for name in outcomes:
        one_of(name, tuple(contrasts.outcome), name="an outcome of [candidates]")
    ids = [c.id for c in contrasts.by_analysis("de") if c.outcome in outcomes]
    if not ids:  # a run of other contrasts alone
        return frozenset()
    table = ctx.read_table(PICKED_FROM)
    alpha = ctx.manifests.preset("published").values("de")["alpha"]
    return frozenset(table.loc[table["contrast"].isin(ids) & (table["fdr"] < alpha), "gene"])


def rule_options(values: Mapping[str, Any], genes: frozenset[str]) -> dict[str, Any]:
    """Return a preset's rule as options of the test.

    Parameters
    ----------
    values
        The preset's section ``ligrec``.
    genes
        From :func:`picking_genes`.
    """
    chosen = genes if values["candidates"] == "de" else None
    return {"min_fraction": values["min_fraction"], "genes": chosen}


def count_candidates(
    ctx: Context,
    scores: LigandReceptorScores,
    s: Split,
    *,
    genes: frozenset[str],
    samples: pd.DataFrame,
) -> pd.DataFrame:
    """Return what each preset's rule tests and finds in a contrast, all pairs in one family.

    Parameters
    ----------
    ctx
        The run.
    scores
        Of every pair.
    s
        The contrast's patients.
    genes
        From :func:`picking_genes`.
    samples
        The sample table.

    Returns
    -------
    A table that follows ``LIGREC_CANDIDATES``, one row per preset.
    """
    levels = {p: side for side in (GROUP, REFERENCE) for p in s.members(side)}
    alpha = ctx.preset.values("de")["alpha"]
    there = [np.isfinite(x).any(axis=(0, 1)) for x in (scores.ligand, scores.receptor)]
    rows = []
    for preset in PRESETS:
        values = ctx.manifests.preset(preset).values("ligrec")
        options = rule_options(values, genes)
        if (strata := strata_of(ctx, s, samples, preset=preset)) is not None:
            options["strata"] = strata.of
        table = tl.ligand_receptor_test(
            scores, levels, contrast=(GROUP, REFERENCE), alpha=alpha, **options
        )
        row = LIGREC_CANDIDATES.blank(
            contrast=s.contrast.id,
            preset=preset,
            rule=values["candidates"],
            caveat=CAVEATS[values["candidates"]],
            n_considered=int((there[0] & there[1]).sum()),
        )
        rows.append(row | _count(table, alpha))
    return pd.DataFrame(rows)


def _count(table: pd.DataFrame, alpha: float) -> dict[str, Any]:
    tested = table[table["fdr"].notna()]
    if tested.empty:
        return {"reason": NONE}
    pair = tested["ligand"] + "-" + tested["receptor"]
    n = {side: int(tested[side].max()) for side in ("n_group", "n_reference")}
    # within strata the untied floor depends on who has a score where; the lowest there is stands
    # for it
    stratified = (tested["within"] != "").any()
    untied = tested["min_p"].min() if stratified else stats.smallest_p(*n.values())
    return {
        **n,
        "n_candidates": pair.nunique(),
        "n_significant": pair[tested["fdr"] < alpha].nunique(),
        "family_size": len(tested),
        "min_p": tested["min_p"].min(),
        "lone_q": stats.smallest_q(float(tested["min_p"].min()), len(tested)),
        "n_at_floor": stats.n_at_floor_needed(untied, len(tested), alpha=alpha) or 0,
    }
