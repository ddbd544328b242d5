"""Figure S11F: who expresses IFNG."""

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

GENE = "IFNG"
MIN_CELLS = 20
STATES = {k.car.positive: "CAR+", k.car.negative: "CAR\u2212"}
COLOR, SIZE = f"mean log1p {GENE}", "share of cells"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per population and CAR status at day 7."""
    by = [k.obs.cell_type, k.obs.t_subset, k.obs.car_status, k.obs.timepoint]
    table = _panel_tables.mean_expression(ctx, [GENE], by=by)
    is_t = table[k.obs.cell_type] == "T"
    table["population"] = table[k.obs.t_subset].where(is_t, table[k.obs.cell_type])
    table["state"] = table[k.obs.car_status].map(STATES).where(is_t, "other cells")
    chosen = (
        (table[k.obs.timepoint] == k.timepoints.day7)
        & (table["n_cells"] >= MIN_CELLS)
        & ~table["population"].isin({k.UNASSIGNED, ""})
        & table["state"].notna()
        & (is_t | (table[k.obs.car_status] != k.car.positive))
    )
    table = table[chosen]
    if table.empty:
        msg = f"no day 7 population has {MIN_CELLS} cells and {GENE}"
        raise NotDrawable(msg)
    subsets = list(_panels.subset_colors(ctx, table["population"]))
    others = sorted(set(table["population"]) - set(subsets))
    table = table.assign(population=pd.Categorical(table["population"], [*subsets, *others]))
    states = [*STATES.values(), "other cells"]
    table = table.assign(state=pd.Categorical(table["state"], states))
    figure, ax = plt.subplots(figsize=(5.6, 2.6), layout="constrained")
    drawn = table.rename(columns={"mean": COLOR, "share": SIZE})
    pl.dot_plot(drawn, x="population", y="state", color=COLOR, size=SIZE, ax=ax)
    return figure, table.reset_index(drop=True)


FIGURE = FigureSpec(
    id="S11F",
    title="IFNG by population at day 7",
    needs=("tables/expression.csv",),
    draw=draw,
    claims=("ifng-source-and-response",),
    caption="Mean log1p expression (10,000 counts per cell, colour) and share of cells with a "
    "count (area), all patients together, populations of 20 cells or more; no test. "
    "Expression of the ligand does not show that its signal arrives.",
    note="All patients together, populations of 20 cells or more. No test.",
)
