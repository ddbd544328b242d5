"""Who is in the study and who is compared with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope.study._groups import GROUP, REFERENCE, split
from cartscope.study.report._table import Table, table_of

if TYPE_CHECKING:
    from cartscope.study._context import Context


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
