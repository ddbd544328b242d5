"""Figure S8C: the myeloid-like cells of infusion products against their likes in blood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panel_tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

MIN_CELLS = 20
# type of the product, and the type of blood whose markers it has or lacks
PAIRS = {"ICANS-associated": "CD14 monocyte", "LAMP3+": "cDC"}
OWN, OTHER, BOTH = "marker of the product's type", "marker of the blood type", "marker of both"
SHADES = {OWN: pl.GROUP, OTHER: pl.REFERENCE, BOTH: pl.GREY}


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per marker, its expression in the product against that in blood."""
    tables = {own: _pair(ctx, own, other) for own, other in PAIRS.items()}
    tables = {own: table for own, table in tables.items() if len(table)}
    if not tables:
        msg = (
            f"no {' or '.join(PAIRS)} in infusion products and {' or '.join(PAIRS.values())} at "
            f"day 7 with {MIN_CELLS} cells each"
        )
        raise NotDrawable(msg)
    figure, axes = plt.subplots(
        1, len(tables), figsize=(3.4 * len(tables), 3.7), layout="constrained", squeeze=False
    )
    for ax, table in zip(axes[0], tables.values(), strict=True):
        _draw_pair(ax, table)
    handles = [plt.Line2D([], [], ls="", marker="o", ms=4, c=c, label=n) for n, c in SHADES.items()]
    # one legend over all panels: the first keeps the room of a title free for it
    axes[0, 0].set_title(" ")
    legend = axes[0, 0].legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(SHADES), borderpad=0
    )
    legend.set_in_layout(False)
    figure.draw_without_rendering()  # names are placed where the legend has left the axes
    for ax, table in zip(axes[0], tables.values(), strict=True):
        pl.label_points(table["blood"], table["product"], list(table["gene"]), ax=ax)
    return figure, pd.concat(tables.values(), ignore_index=True)


def _pair(ctx: Context, own: str, other: str) -> pd.DataFrame:
    types = ctx.manifests.annotation.cell_type
    if own not in types or other not in types:
        return pd.DataFrame()
    classes = dict.fromkeys(types[own].positive, OWN) | {
        g: BOTH if g in types[own].positive else OTHER for g in types[other].positive
    }
    mean = _panel_tables.mean_expression(ctx, classes, by=[k.obs.cell_type, k.obs.timepoint])
    sides = {}
    for side, name, timepoint in (
        ("product", own, k.timepoints.infusion_product),
        ("blood", other, k.timepoints.day7),
    ):
        rows = mean[(mean[k.obs.cell_type] == name) & (mean[k.obs.timepoint] == timepoint)]
        rows = rows[rows["n_cells"] >= MIN_CELLS].set_index("gene")
        sides[side] = rows["mean"]
        sides[f"n_{side}"] = rows["n_cells"]
    table = pd.DataFrame(sides).dropna()
    table = table.loc[[g for g in classes if g in table.index]].rename_axis("gene").reset_index()
    return table.assign(product_type=own, blood_type=other, marker=table["gene"].map(classes))


def _draw_pair(ax: Axes, table: pd.DataFrame) -> None:
    ax.scatter(table["blood"], table["product"], s=9, c=table["marker"].map(SHADES), linewidths=0)
    reach = 1.15 * max(table[["blood", "product"]].max().max(), 0.5)
    low = -0.08 * reach
    ax.plot([0, reach], [0, reach], color="#888888", linewidth=0.5, dashes=(4, 3), zorder=0)
    first = table.iloc[0]
    ax.set(
        xlim=(low, reach), ylim=(low, reach), aspect="equal",
        xlabel=f"{first['blood_type']}, day 7 ({int(first['n_blood']):,})",
        ylabel=f"{first['product_type']}, product ({int(first['n_product']):,})",
    )  # fmt: skip


FIGURE = FigureSpec(
    id="S8C",
    title="Myeloid-like cells of products against blood",
    needs=("tables/expression.csv",),
    draw=draw,
    claims=("product-myeloid-clusters",),
    caption="Mean log1p expression (10,000 counts per cell) of markers, numbers of cells in "
    "brackets; no test. Dashed: as in blood. Were LAMP3+ cells the dendritic cells of blood, the "
    "blue dots would lie there.",
    note="Cells of all patients together. No test. Dashed: as in blood.",
)
