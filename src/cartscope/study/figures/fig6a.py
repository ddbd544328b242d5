"""Figure 6A: how many cells of each cohort and time point there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study import _panels
from cartscope.study._model import FigureSpec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

QC = "tables/qc.csv"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw cells after quality control by study, time point and sort."""
    libraries = _panels.libraries(ctx)
    libraries = libraries[libraries["n_kept"] > 0]
    order = sorted(dict.fromkeys(libraries["kind"]), key=_panels.kind_order)
    counts = (
        libraries.groupby(["study", "kind"])
        .agg(cells=("n_kept", "sum"), libraries=("sample", "size"), patients=("patient", "nunique"))
        .reset_index()
    )
    studies = sorted(counts["study"].unique())
    totals = counts.groupby("study")["cells"].sum()
    table = counts.assign(bar=[f"{s}\n{totals[s]:,} cells" for s in counts["study"]])
    table = table.sort_values("study").rename(columns={"cells": "cells after quality control"})
    figure, ax = plt.subplots(figsize=(3.4 + 0.5 * len(studies), 3.0), layout="constrained")
    pl.stacked_bars(
        table, x="bar", part="kind", height="cells after quality control", ax=ax,
        palette=pl.colors(order),
    )  # fmt: skip
    bottom = dict.fromkeys(studies, 0)
    for kind in order:
        for row in counts[counts["kind"] == kind].itertuples():
            middle = bottom[row.study] + row.cells / 2
            bottom[row.study] += row.cells
            if row.cells > 0.04 * totals.max():
                text = f"{row.cells:,}\n{row.libraries} libraries, {row.patients} patients"
                ax.text(studies.index(row.study), middle, text, ha="center", va="center",
                        fontsize=5.5, color="white")  # fmt: skip
    ax.set_title(f"{int(totals.sum()):,} cells")
    return figure, counts


FIGURE = FigureSpec(
    id="6A",
    title="Cells per cohort and time point",
    needs=(QC, "tables/samples.csv"),
    draw=draw,
    claims=("cells-new-cohort", "cells-comparator", "cells-total"),
    caption="Cells that passed quality control, by study, time point and sort, with the libraries"
    " and patients behind them. Means per patient, as the paper prints them, are means "
    "per library.",
)
