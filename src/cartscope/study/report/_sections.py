"""The report's tables, as plain rows that the template prints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope.study._groups import GROUP, REFERENCE, split

if TYPE_CHECKING:
    from cartscope.study._context import Context


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the report: headings with their meaning, and rows of text."""

    headings: tuple[tuple[str, str], ...]  # heading, meaning
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


def table_of(frame: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> Table:
    """Return columns of a frame as a table of the report.

    Parameters
    ----------
    frame
        The frame.
    columns
        Column of the frame -> heading and meaning.
    """
    numeric = tuple(pd.api.types.is_numeric_dtype(frame[c]) for c in columns)
    rows = tuple(
        tuple(spell(row[c]) for c in columns) for row in frame[list(columns)].to_dict("records")
    )
    return Table(headings=tuple(columns.values()), rows=rows, numeric=numeric)


def spell(value: object) -> str:
    """Spell a value for a reader; nothing where it is missing.

    Parameters
    ----------
    value
        Number or text.
    """
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return "" if np.isnan(value) else ("inf" if value > 0 else "-inf")
        return f"{int(value):,}" if value == int(value) and abs(value) >= 1 else f"{value:.3g}"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{int(value):,}"
    return str(value)


def cohort_table(ctx: Context) -> Table:
    """Count patients and libraries in every cell of study x anakinra x grade.

    Parameters
    ----------
    ctx
        The run.
    """
    samples = ctx.read_table("tables/samples.csv")
    for column in ("study", "anakinra", "timepoint", "crs_grade", "nt_grade"):
        if column not in samples:
            samples[column] = ""
    frame = pd.DataFrame(
        {
            "study": samples["study"].replace("", "unknown"),
            "anakinra": samples["anakinra"].replace("", "unknown"),
            "crs": [_side(g) for g in samples["crs_grade"]],
            "nt": [_side(g) for g in samples["nt_grade"]],
            "patient": samples["patient"],
            "timepoint": samples["timepoint"].replace("", "unknown"),
        }
    )
    by = ["study", "anakinra", "crs", "nt"]
    counts = frame.groupby(by)["patient"].nunique().rename("patients").reset_index()
    libraries = pd.crosstab([frame[c] for c in by], frame["timepoint"]).reset_index()
    merged = counts.merge(libraries, on=by)
    columns = {
        "study": ("study", ""),
        "anakinra": ("anakinra", "prophylaxis with anakinra"),
        "crs": ("CRS", "grade of cytokine release syndrome"),
        "nt": ("NT", "grade of neurotoxicity"),
        "patients": ("patients", ""),
    }
    for timepoint in sorted(frame["timepoint"].unique()):
        columns[timepoint] = (timepoint.replace("_", " "), "libraries")
    return table_of(merged, columns)


def _side(grade: object) -> str:
    number = pd.to_numeric(grade, errors="coerce")
    if pd.isna(number):
        return "unknown"
    return ">= 2" if number >= 2 else "<= 1"  # noqa: PLR2004  (the study's own cut)


def treatment_table(ctx: Context) -> Table | None:
    """Show treatment before the sample against grade, where it is known.

    Parameters
    ----------
    ctx
        The run.
    """
    samples = ctx.read_table("tables/samples.csv")
    drugs = ["tocilizumab_before_sample", "steroid_before_sample"]
    if not {"crs_grade", *drugs} <= set(samples):
        return None
    frame = pd.DataFrame({d: samples[d].replace("", "unknown") for d in drugs})
    frame["crs"] = [_side(g) for g in samples["crs_grade"]]
    frame["day"] = samples["timepoint"]
    frame["patient"] = samples["patient"]
    frame = frame[frame["day"] == "day7"]
    counts = frame.groupby(["crs", *drugs])["patient"].nunique().rename("patients").reset_index()
    return table_of(
        counts,
        {
            "crs": ("CRS", "grade"),
            drugs[0]: ("tocilizumab", "given before the day-7 sample"),
            drugs[1]: ("steroid", "given before the day-7 sample"),
            "patients": ("patients", ""),
        },
    )


def contrast_table(ctx: Context) -> Table:
    """List every contrast with the patients on both sides.

    Parameters
    ----------
    ctx
        The run.
    """
    samples = ctx.read_table("tables/samples.csv")
    manifest = ctx.manifests.contrasts
    rows = []
    for contrast in manifest.contrast:
        s = split(contrast, manifest, samples)
        label = manifest.outcome[contrast.outcome].label
        rows.append(
            {
                "id": contrast.id,
                "analyses": ", ".join(contrast.analyses),
                "compares": f"{label[0]} against {label[1]}",
                "n": f"{len(s.members(GROUP))} / {len(s.members(REFERENCE))}",
                "design": contrast.design or "",
                "note": s.reason or contrast.caveat,
            }
        )
    return table_of(
        pd.DataFrame(rows),
        {
            "id": ("contrast", "id in contrasts.toml"),
            "analyses": ("analyses", ""),
            "compares": ("compares", ""),
            "n": ("patients", "group / reference"),
            "design": ("design", "formula of the model"),
            "note": ("note", "why not testable, or what limits it"),
        },
    )


def estimability_table(ctx: Context) -> Table:
    """Return what limits each design: what a contrast cannot be told apart from, and who counts.

    Parameters
    ----------
    ctx
        The run.
    """
    table = ctx.read_table("tables/estimability.csv")
    shown = table[~table["kind"].isin(["cell", "coefficient"])]
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


def engine_table(ctx: Context) -> Table:
    """Return how far the two presets' differential expression agree.

    Parameters
    ----------
    ctx
        The run.
    """
    return table_of(
        ctx.read_table("tables/engine_comparison.csv"),
        {
            "contrast": ("contrast", ""),
            "n_genes": ("genes", "with a statistic in both"),
            "n_a": ("recommended", "genes called by DESeq2"),
            "n_b": ("published", "genes called by limma-voom"),
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
            "n_one_umi": ("one UMI", "T cells with at least one CAR UMI"),
            "control_share": ("controls", "share of monocytes, B and NK cells with a CAR UMI"),
            "sensitivity": ("sensitivity", "estimated detection of CAR T cells"),
            "missed_share": ("missed", "estimated CAR T cells among the CAR-"),
            "reason": ("reason", "what could not be estimated"),
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
        f"{a} / {b}" if a or b else ""
        for a, b in zip(claims["n_group"], claims["n_reference"], strict=True)
    ]
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
