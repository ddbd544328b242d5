"""Genes in the differential expression table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as t_distribution

from cartscope import stats
from cartscope.study._model import EvidenceReader
from cartscope.study._settings import PRESETS
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.evidence._reading import rows_by_contrast, wanted_entries
from cartscope.study.panels import _panels
from cartscope.study.redo._label_tests import permute_genes
from cartscope.study.redo._refits import REFIT, REFIT_THINNED, refits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context

_INTERVAL = "95%, standard errors of the model times t at the degrees of freedom of its statistic"
_UPPER = 0.975


def rows(ctx: Context, claim: Claim, evidence: Evidence) -> pd.DataFrame:
    """Return one row per gene and contrast; the effect is the log2 fold change."""
    return _rows(ctx, claim, evidence, table=ctx.read_table("tables/de.csv"))


def by_preset(ctx: Context, claim: Claim, evidence: Evidence, *, preset: str) -> pd.DataFrame:
    """Return the same rows by the table of one preset."""
    return _rows(ctx, claim, evidence, table=ctx.read_table(f"tables/de_{preset}.csv"))


def _rows(ctx: Context, claim: Claim, evidence: Evidence, *, table: pd.DataFrame) -> pd.DataFrame:
    table = table[table["contrast"].isin(evidence.contrasts)]
    sizes = table[table["fdr"].notna()].groupby("contrast").size()
    table = table.set_index(["contrast", "gene"])

    def find(contrast: str, gene: str) -> list[dict[str, Any]]:
        if (contrast, gene) not in table.index:
            return []
        row = table.loc[(contrast, gene)]
        members = _panels.profiled(ctx, contrast)
        return [
            {
                **_values(row),
                "interval": _INTERVAL,
                "family_size": int(sizes.get(contrast, 0)),
                "n_group": len(members[GROUP]),
                "n_reference": len(members[REFERENCE]),
            }
        ]

    return rows_by_contrast(ctx, claim, evidence, find=find)


def _values(row: pd.Series) -> dict[str, Any]:
    # a table without the column is one of z, which has infinitely many
    half = t_distribution.ppf(_UPPER, row.get("df", np.inf)) * row["se"]
    return {
        "effect": row["log2_fc"],
        "ci_low": row["log2_fc"] - half,
        "ci_high": row["log2_fc"] + half,
        "p_value": row["p_value"],
        "fdr": row["fdr"],
        "reason": row.get("reason", ""),
    }


def without(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Fit every model again without each patient."""
    every = ctx.read_table("tables/de.csv")
    wanted = wanted_entries(pairs)
    for refit in refits(ctx, wanted):
        for contrast, table in refit.tables.items():
            row = {"contrast": contrast, "patient_left_out": refit.patient}
            row["how"] = REFIT_THINNED if refit.thinned else REFIT
            if isinstance(table, str):
                yield from ({**row, "entry": g, "reason": table} for g in wanted[contrast])
                continue
            here = table[table["contrast"] == contrast].set_index("gene")
            known = every[every["contrast"] == contrast].set_index("gene")["p_value"]
            for gene in wanted[contrast]:
                if gene in here.index:
                    found = _values(here.loc[gene])
                    if refit.thinned:
                        found["fdr"] = _among(known, gene, found["p_value"])
                    yield {**row, "entry": gene, **found}


def permuted(ctx: Context, pairs: Sequence[tuple[Claim, Evidence]]) -> Iterator[dict[str, Any]]:
    """Permute the labels behind every gene."""
    for contrast, genes in wanted_entries(pairs).items():
        yield from permute_genes(ctx, contrast, genes)


def _among(p: pd.Series, gene: str, value: float) -> float:
    """Return q of one gene's new p among the others' as they were."""
    changed = p.where(p.index != gene, value)
    changed = changed[changed.notna()]
    if gene not in changed.index:
        return float("nan")
    return float(stats.benjamini_hochberg(changed.to_numpy())[np.argmax(changed.index == gene)])


EVIDENCE = EvidenceReader(
    table="de",
    needs=(
        "tables/de.csv",
        *(f"tables/de_{name}.csv" for name in PRESETS),
        "tables/contrasts.csv",
        "tables/pseudobulk.csv",
        "tables/samples.csv",
    ),
    rows=rows,
    without=without,
    permuted=permuted,
    by_preset=by_preset,
    effect="log2 fold change",
    test="the preset's engine on one profile per patient",
    floor="a model's p has no floor",
)
