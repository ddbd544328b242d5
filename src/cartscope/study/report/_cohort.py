"""Who is in the study and who is compared with whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from cartscope import _keys as k
from cartscope.study.comparisons._groups import GROUP, REFERENCE, split
from cartscope.study.comparisons._strata import absent_strata
from cartscope.study.report._table import Table, short_names, table_of

if TYPE_CHECKING:
    from cartscope.study._context import Context

_DRUGS = (k.obs.tocilizumab_before_sample, k.obs.steroid_before_sample)


def cohort_table(ctx: Context) -> Table:
    """Say who is in every cell of study x anakinra x grade, the empty ones included.

    Parameters
    ----------
    ctx
        The run.
    """
    frame = _design(ctx)
    by = ["study", "anakinra", "crs", "nt"]
    every = pd.MultiIndex.from_product([sorted(set(frame[c])) for c in by], names=by)
    known = every[~(every.to_frame() == "unknown").any(axis=1)]
    there = pd.MultiIndex.from_frame(frame[by].drop_duplicates())
    cells = known.union(there)
    patients = frame.groupby(by)["patient"]
    counts = pd.DataFrame(
        {"patients": patients.nunique(), "who": patients.agg(short_names)}
    ).reindex(cells)
    libraries = pd.crosstab([frame[c] for c in by], frame["timepoint"]).reindex(cells)
    table = counts.join(libraries).reset_index().fillna({"who": "nobody"}).fillna(0)
    timepoints = list(libraries.columns)
    table = table.astype(dict.fromkeys(["patients", *timepoints], int))
    columns = {
        "study": ("study", ""),
        "anakinra": ("anakinra", "prophylaxis with anakinra"),
        "crs": ("CRS", "grade of cytokine release syndrome"),
        "nt": ("NT", "grade of neurotoxicity"),
        "patients": ("patients", ""),
        **{t: (t.replace("_", " "), "libraries") for t in timepoints},
        "who": ("who", ""),
    }
    return table_of(table, columns)


def _design(ctx: Context) -> pd.DataFrame:
    """Return one row per library: where its patient stands in the design."""
    samples = ctx.read_table("tables/samples.csv")
    names = ("study", "anakinra", "timepoint", *_DRUGS)
    text = {c: samples[c] if c in samples else pd.Series("", index=samples.index) for c in names}
    frame = pd.DataFrame({c: v.replace("", "unknown") for c, v in text.items()})
    for column, grade in (("crs", "crs_grade"), ("nt", "nt_grade")):
        values = samples[grade] if grade in samples else [None] * len(samples)
        frame[column] = [_side(g) for g in values]
    return frame.assign(patient=samples["patient"].astype(str))


def _side(grade: object) -> str:
    number = pd.to_numeric(grade, errors="coerce")
    if pd.isna(number):
        return "unknown"
    return ">= 2" if number >= 2 else "<= 1"  # noqa: PLR2004  (the study's own cut)


def treatment_table(ctx: Context) -> Table | None:
    """Show treatment before the day-7 sample against study, anakinra and grade, where it is known.

    Parameters
    ----------
    ctx
        The run.
    """
    frame = _design(ctx)
    frame = frame[frame["timepoint"] == k.timepoints.day7]
    if (frame[list(_DRUGS)] == "unknown").all(axis=None) or (frame["crs"] == "unknown").all():
        return None
    patients = frame.groupby(["study", "anakinra", "crs", *_DRUGS])["patient"]
    table = pd.DataFrame({"patients": patients.nunique(), "who": patients.agg(short_names)})
    return table_of(
        table.reset_index(),
        {
            "study": ("study", ""),
            "anakinra": ("anakinra", "prophylaxis with anakinra"),
            "crs": ("CRS", "grade"),
            _DRUGS[0]: ("tocilizumab", "given before the day-7 sample"),
            _DRUGS[1]: ("steroid", "given before the day-7 sample"),
            "patients": ("patients", ""),
            "who": ("who", ""),
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
                "note": s.reason
                or "; ".join(t for t in (contrast.caveat, absent_strata(s, samples)) if t),
            }
        )
    return table_of(
        pd.DataFrame(rows),
        {
            "id": ("contrast", "id in contrasts.toml"),
            "analyses": ("analyses", ""),
            "compares": ("compares", ""),
            "n": ("patients", "group / reference"),
            "note": ("note", "why not testable, or what limits it"),
        },
    )
