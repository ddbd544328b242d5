"""Figure S7: the markers of every cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panel_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

MARKERS = 4  # per type: more would not be legible
COLOR, SIZE = "mean log1p expression", "share of cells"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per marker and cell type."""
    types = ctx.manifests.annotation.cell_type
    genes = list(dict.fromkeys(g for t in types.values() for g in t.positive[:MARKERS]))
    table = _panel_tables.mean_expression(ctx, genes, by=[k.obs.cell_type])
    if table.empty:
        msg = "none of the markers is in tables/expression.csv"
        raise NotDrawable(msg)
    cells = table.groupby(k.obs.cell_type)["n_cells"].max()
    order = [*(t for t in types if t in cells), *sorted(set(cells.index) - set(types))]
    names = {t: f"{t or 'unknown'} ({cells[t]:,})" for t in order}
    table = table.assign(
        row=pd.Categorical(table[k.obs.cell_type].map(names), [names[t] for t in order]),
        gene=pd.Categorical(table["gene"], genes),
    )
    figure, ax = plt.subplots(figsize=(7.4, 1.5 + 0.2 * len(order)), layout="constrained")
    drawn = table.rename(columns={"mean": COLOR, "share": SIZE})
    pl.dot_plot(drawn, x="gene", y="row", color=COLOR, size=SIZE, ax=ax)
    source = table.drop(columns="row").sort_values([k.obs.cell_type, "gene"])
    return figure, source.reset_index(drop=True)


FIGURE = FigureSpec(
    id="S7",
    title="Markers of the cell types",
    needs=("tables/expression.csv",),
    draw=draw,
    claims=("cell-types-found",),
    caption="Mean log1p expression (10,000 counts per cell, colour) and share of cells with a "
    "count (area) of the first markers of each type, over all samples; numbers of cells "
    "in brackets. The types were named by these markers, so the panel shows consistency, "
    "not proof.",
    note="Cells of all patients together. No test. The types were named by these markers.",
)
