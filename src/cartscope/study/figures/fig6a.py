"""Figure 6A: how many cells of each cohort and time point there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec
from cartscope.study.panels import _panel_tables

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

WIDTH = "cells after quality control"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw cells after quality control by study, time point and sort."""
    libraries = _panel_tables.libraries(ctx)
    libraries = libraries[libraries["n_kept"] > 0]
    counts = (
        libraries.groupby(["study", "kind"])
        .agg(cells=("n_kept", "sum"), libraries=("sample", "size"), patients=("patient", "nunique"))
        .reset_index()
    )
    studies = sorted(counts["study"].unique())
    figure, axes = plt.subplots(
        len(studies), 1, figsize=(4.8, 0.6 + 1.0 * len(studies)), layout="constrained",
        sharex=True, squeeze=False,
    )  # fmt: skip
    for ax, study in zip(axes[:, 0], studies, strict=True):
        rows = counts[counts["study"] == study].copy()
        rows = rows.iloc[rows["kind"].map(_panel_tables.kind_order).argsort(kind="stable")]
        rows["note"] = [
            f"{r.cells:,} ({r.libraries} libraries, {r.patients} patients)"
            for r in rows.itertuples()
        ]
        pl.bars(rows.rename(columns={"cells": WIDTH}), y="kind", width=WIDTH, ax=ax, note="note")
        ax.set(title=f"{study}: {int(rows['cells'].sum()):,} cells", xlabel="")
        ax.title.set_ha("left")
        ax.title.set_x(0)
        ax.margins(x=0.75)
        ax.xaxis.set_major_formatter("{x:,.0f}")
    axes[-1, 0].set_xlabel(f"{WIDTH}, {int(counts['cells'].sum()):,} in all")
    return figure, counts


FIGURE = FigureSpec(
    id="6A",
    title="Cells per cohort and time point",
    needs=("tables/qc.csv", "tables/samples.csv"),
    draw=draw,
    claims=("cells-new-cohort", "cells-comparator", "cells-total"),
    caption="Cells that passed quality control, by study, time point and sort, with the libraries"
    " and patients behind them. Means per patient, as the paper prints them, are means "
    "per library.",
)
