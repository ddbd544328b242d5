"""Figure 6F: IL-4, IL-10, IL-13 and their receptors, by population and time point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CLAIM = "il4-il10-in-cd4-ctl"
MIN_CELLS = 20
TIMEPOINTS = {k.timepoints.infusion_product: "product", k.timepoints.day7: "day 7"}
COLOR, SIZE = "mean, share of the gene's highest", "share of cells"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per gene, population and time point."""
    genes = _panels.claim_features(ctx, [CLAIM])
    table = _panel_tables.mean_expression(
        ctx, genes, by=[k.obs.cell_type, k.obs.t_subset, k.obs.timepoint]
    )
    subsets = list(_panels.subset_colors(ctx, table[k.obs.t_subset]))
    is_t = table[k.obs.cell_type] == "T"
    table["population"] = table[k.obs.t_subset].where(is_t, table[k.obs.cell_type])
    unknown = table["population"].isin({k.UNASSIGNED, ""})
    enough = (table["n_cells"] >= MIN_CELLS) & table[k.obs.timepoint].isin(TIMEPOINTS)
    table = table[enough & ~unknown]
    if table.empty:
        msg = f"no population has {MIN_CELLS} cells and one of {genes}"
        raise NotDrawable(msg)
    others = sorted(set(table["population"]) - set(subsets))
    columns = [f"{p}, {t}" for t in TIMEPOINTS.values() for p in (*subsets, *others)]
    names = table["population"] + ", " + table[k.obs.timepoint].map(TIMEPOINTS)
    highest = table.groupby("gene")["mean"].transform("max")
    table = table.assign(
        column=pd.Categorical(names, columns),
        gene=pd.Categorical(table["gene"], genes),
        relative=(table["mean"] / highest).where(highest > 0, 0.0),
    )
    figure, ax = plt.subplots(figsize=(7.4, 3.6), layout="constrained")
    drawn = table.rename(columns={"relative": COLOR, "share": SIZE})
    pl.dot_plot(drawn, x="column", y="gene", color=COLOR, size=SIZE, ax=ax)
    n_product = table.loc[table["column"].astype(str).str.endswith("product"), "column"].nunique()
    if 0 < n_product < table["column"].nunique():
        ax.axvline(n_product - 0.5, color="#888888", linewidth=0.5)
    source = table.drop(columns="column").sort_values(["gene", "population", k.obs.timepoint])
    return figure, source.reset_index(drop=True)


FIGURE = FigureSpec(
    id="6F",
    title="IL-4, IL-10, IL-13 and their receptors",
    needs=("tables/expression.csv",),
    draw=draw,
    claims=(CLAIM,),
    caption="Mean log1p expression (10,000 counts per cell) over cells, colour relative to each "
    "gene's highest; area: share of cells with a count. All patients and CAR states "
    "together, populations of 20 cells or more; no test. Cytokine transcripts are rarely "
    "caught, so a small share is not absence.",
    note="All patients together, populations of 20 cells or more. No test. A small share of a "
    "cytokine is not absence.",
)
