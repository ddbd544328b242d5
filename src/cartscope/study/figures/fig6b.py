"""Figure 6B: which patient has which sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec
from cartscope.study.panels import _panel_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

QC = "tables/qc.csv"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw a patient x sample matrix with the cells of each sample, grades beside it."""
    libraries = _panel_tables.libraries(ctx)
    libraries = libraries.assign(cohort=[_cohort(r) for _, r in libraries.iterrows()])
    order = sorted(dict.fromkeys(libraries["kind"]), key=_panel_tables.kind_order)
    counts = libraries.pivot_table(
        index="patient", columns="kind", values="n_kept", aggfunc="sum", observed=True
    ).reindex(columns=order)
    cohort = libraries.drop_duplicates("patient").set_index("patient")["cohort"]
    counts = counts.loc[sorted(counts.index, key=lambda p: (cohort[p], _natural(p)))]
    grades = _grades(libraries).loc[counts.index]
    rows = len(counts)
    figure, ax = plt.subplots(figsize=(4.6, 1.1 + 0.155 * rows), layout="constrained")
    pl.presence_matrix(counts, ax=ax, group=cohort, notes=grades)
    source = counts.fillna(0).astype(int).join(cohort).join(grades).reset_index()
    return figure, source


def _cohort(row: pd.Series) -> str:
    words = {"true": "anakinra", "false": "no anakinra"}
    return f"{row['study']}, {words.get(str(row.get('anakinra', '')).lower(), 'anakinra unknown')}"


def _natural(name: str) -> tuple[str, int]:
    head = name.rstrip("0123456789")
    return head, int(name[len(head) :] or -1)


def _grades(libraries: pd.DataFrame) -> pd.DataFrame:
    first = libraries.drop_duplicates("patient").set_index("patient")
    columns = {"CRS": "crs_grade", "NT": "nt_grade"}
    return pd.DataFrame(
        {
            title: [
                "?" if np.isnan(g) else f"{g:g}"
                for g in pd.to_numeric(first.get(c, pd.Series(np.nan, first.index)))
            ]
            for title, c in columns.items()
        },
        index=first.index,
    )


FIGURE = FigureSpec(
    id="6B",
    title="Patients, samples and grades",
    needs=(QC, "tables/samples.csv"),
    draw=draw,
    caption="Every patient (row) and sample (column); numbers: cells that passed quality control,"
    " outline: no such sample, or none of its cells passed. CRS and NT: highest grade, ? "
    "where unknown. The comparisons are between patients, so this table is all the "
    "replication there is.",
)
