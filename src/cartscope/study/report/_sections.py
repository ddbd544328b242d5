"""The report's tables of results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from cartscope.study.report._table import Table, short_names, table_of

if TYPE_CHECKING:
    from cartscope.study._context import Context


def estimability_table(ctx: Context) -> Table:
    """Return what limits each design: what a contrast cannot be told apart from, and who counts.

    Parameters
    ----------
    ctx
        The run.
    """
    table = ctx.read_table("tables/estimability.csv")
    shown = table[~table["kind"].isin(["cell", "coefficient"])].copy()
    shown["patients"] = [short_names(p.split(", ")) for p in shown["patients"]]
    shown["note"] = [_short_note(note) for note in shown["note"]]
    # one row for all terms of which the same is said
    same = ["id", "design", "kind", "patients", "note"]
    if len(shown):
        shown = shown.groupby(same, sort=False)["name"].agg("; ".join).reset_index()
    return table_of(
        shown.reindex(columns=["id", *table.columns.drop("id", errors="ignore")]),
        {
            "id": ("contrast", "id in contrasts.toml"),
            "design": ("design", "formula"),
            "kind": ("kind", "aliased, contrast, not separable or blurred by"),
            "name": ("term", ""),
            "patients": ("patients", "who it rests on"),
            "note": ("note", "what is wrong, or who has weight 0"),
        },
    )


def _short_note(note: str) -> str:
    start, mark, names = note.partition("weight 0: ")
    return f"{start}{mark}{short_names(names.split(', '))}" if mark else note


def engine_table(ctx: Context) -> Table:
    """Return how far the recommended test agrees with the published one and with DESeq2.

    Parameters
    ----------
    ctx
        The run.
    """
    return table_of(
        ctx.read_table("tables/engine_comparison.csv"),
        {
            "contrast": ("contrast", ""),
            "b": ("beside", "published: limma-voom; deseq2: DESeq2 on the recommended genes"),
            "n_genes": ("genes", "with a statistic in both"),
            "n_a": ("recommended", "genes called by the recommended test"),
            "n_b": ("by it", "genes called by the one beside"),
            "n_both": ("both", "genes called by both"),
            "jaccard": ("Jaccard", "both / either"),
            "verdict": ("in words", ""),
        },
    )


def qc_table(ctx: Context) -> Table:
    """Return the libraries with their verdicts.

    Parameters
    ----------
    ctx
        The run.
    """
    return table_of(
        ctx.read_table("tables/qc.csv"),
        {
            "sample": ("sample", ""),
            "n_cells": ("cells read", ""),
            "n_kept": ("kept", ""),
            "median_counts": ("UMI", "median per cell read"),
            "median_genes": ("genes", "median per cell read"),
            "median_pct_mito": ("% mito", "median mitochondrial share"),
            "n_doublets": ("doublets", "dropped as doublets"),
            "verdict": ("verdict", ""),
            "reason": ("reason", ""),
        },
    )


def integration_table(ctx: Context) -> Table:
    """Return what Harmony did.

    Parameters
    ----------
    ctx
        The run.
    """
    return table_of(
        ctx.read_table("tables/integration.csv"),
        {
            "measure": ("measure", ""),
            "column": ("of", "obs column"),
            "role": ("role", "batch, label or condition"),
            "before": ("before", "in the uncorrected components"),
            "after": ("after", "in the corrected components"),
            "reading": ("reading", "what the two numbers say"),
        },
    )


def agreement_table(ctx: Context) -> Table:
    """Return how far cell types stay when clustering starts from other seeds.

    Parameters
    ----------
    ctx
        The run.
    """
    table = ctx.read_table("tables/label_agreement.csv")
    return table_of(
        table.assign(cell_type=table["cell_type"].replace("", "all")),
        {
            "seed": ("seed", "that clustering started from"),
            "cell_type": ("cell type", "in this run"),
            "n_cells": ("cells", ""),
            "agreement": ("same type", "share of the cells"),
            "n_clusters": ("clusters", "from this seed"),
        },
    )


def car_table(ctx: Context) -> Table:
    """Return the CAR audit.

    Parameters
    ----------
    ctx
        The run.
    """
    return table_of(
        ctx.read_table("tables/car_calls.csv"),
        {
            "sample": ("sample", ""),
            "n_t_cells": ("T cells", ""),
            "n_positive": ("CAR+", "CAR-positive T cells"),
            "n_negative": ("CAR-", "CAR-negative T cells"),
            "n_unknown": ("unknown", "T cells of unknown CAR status"),
            "published_share": ("published", "CAR+ share of T cells by one UMI"),
            "recommended_share": ("recommended", "CAR+ share of T cells by the recommended rule"),
            "n_gained": ("gained", "T cells that the recommended rule alone calls CAR+"),
            "n_lost": ("lost", "T cells that the published rule alone calls CAR+"),
            "control_share": ("controls", "share of monocytes, B and NK cells with a CAR UMI"),
            "ambient_share": ("ambient", "estimated ambient share of a cell's UMI"),
            "ambient_car": ("ambient CAR", "CAR UMI that ambient RNA gives the median cell"),
            "car_reads_ambient": ("of CAR UMI", "ambient share of CAR UMI, from control cells"),
            "sensitivity": ("sensitivity", "estimated detection of CAR T cells"),
            "missed_share": ("missed", "estimated CAR T cells among the CAR-"),
            "reason": ("reason", "what could not be estimated"),
            "ambient_reason": ("ambient not estimable", "and why"),
        },
    )


def claims_table(ctx: Context) -> Table:
    """Return the claim ledger.

    Parameters
    ----------
    ctx
        The run.
    """
    claims = ctx.read_table("claims.csv")
    statements = {c.id: c.statement for c in ctx.manifests.claims}
    # the banner says it once for the whole page
    simulated = ctx.manifests.cohort.caveats["simulated"]
    claims["caveats"] = claims["caveats"].str.replace(simulated, "").str.strip("; ")
    claims["statement"] = claims["id"].map(statements)
    claims["patients"] = [
        f"{a} / {b}" if b else (str(a) if a else "")
        for a, b in zip(claims["n_group"], claims["n_reference"], strict=True)
    ]
    said = zip(claims["by_recommended"], claims["by_published"], strict=True)
    claims["presets"] = [f"recommended: {a}; published: {b}" if a and b else "" for a, b in said]
    return table_of(
        claims,
        {
            "verdict": ("verdict", "by the claim's kind"),
            "statement": ("claim", "in our words"),
            "panel": ("panel", "figure, table or passage"),
            "kind": ("kind", "how the claim holds"),
            "computed": ("computed", "effects, in the unit of their table"),
            "patients": ("patients", "group / reference"),
            "reason": ("reason", "why this verdict"),
            "family": ("family", "tests that q corrects for"),
            "influence": ("without a patient", "who matters most, and what happens without them"),
            "permutation_p": ("p within strata", "--deep: of permuted labels of the patients"),
            "presets": ("both presets", "verdict by either preset's differential expression"),
            "caveats": ("caveats", "what limits the claim"),
        },
    )


def parameter_table(ctx: Context) -> Table:
    """Return every parameter of the preset with its source.

    Parameters
    ----------
    ctx
        The run.
    """
    rows = []
    for section, values in ctx.preset.model_dump().items():
        if not isinstance(values, dict):
            continue
        rows += [
            {
                "parameter": f"{section}.{name}",
                "value": json.dumps(entry["value"]),
                "source": entry["source"],
            }
            for name, entry in values.items()
        ]
    return table_of(
        pd.DataFrame(rows),
        {"parameter": ("parameter", ""), "value": ("value", ""), "source": ("source", "")},
    )


def provenance_tables(ctx: Context) -> dict[str, Any]:
    """Return provenance.json.

    Parameters
    ----------
    ctx
        The run.
    """
    return json.loads(ctx.path("provenance.json").read_text("utf-8"))
