"""Figure S8B: what the myeloid-like cells of infusion products express."""

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

COLOR, SIZE = "mean log1p expression", "share of cells"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the markers of the product's own types, and of dendritic cells."""
    types = ctx.manifests.annotation.cell_type
    own = [n for n, t in types.items() if t.only_in]
    genes = list(dict.fromkeys(g for n in (*own, "cDC") if n in types for g in types[n].positive))
    table = _panel_tables.mean_expression(ctx, genes, by=[k.obs.cell_type, k.obs.timepoint])
    table = table[table[k.obs.timepoint] == k.timepoints.infusion_product]
    if not set(own) & set(table[k.obs.cell_type]):
        msg = f"no cell of an infusion product was called {' or '.join(own)}"
        raise NotDrawable(msg)
    cells = table.groupby(k.obs.cell_type)["n_cells"].max()
    order = [*own, *(t for t in types if t not in own), k.UNASSIGNED]
    names = {t: f"{t} ({cells[t]:,})" for t in order if t in cells}
    table = table.assign(
        row=pd.Categorical(table[k.obs.cell_type].map(names), list(names.values())),
        gene=pd.Categorical(table["gene"], genes),
    )
    figure, ax = plt.subplots(figsize=(5.4, 1.5 + 0.2 * len(names)), layout="constrained")
    drawn = table.rename(columns={"mean": COLOR, "share": SIZE})
    pl.dot_plot(drawn, x="gene", y="row", color=COLOR, size=SIZE, ax=ax)
    source = table.drop(columns="row").sort_values([k.obs.cell_type, "gene"])
    return figure, source.reset_index(drop=True)


FIGURE = FigureSpec(
    id="S8B",
    title="Markers of the myeloid-like cells of infusion products",
    needs=("tables/expression.csv",),
    draw=draw,
    claims=("product-myeloid-clusters",),
    caption="Mean log1p expression (colour) and share of cells with a count (area) in infusion "
    "products; numbers of cells in brackets. ICANS-associated: LYZ and IL1B; LAMP3+: "
    "without the other markers of dendritic cells.",
    note="Cells of all patients together. No test.",
)
