"""Figure S11E: who answers interferon gamma, patient by patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

SIGNATURES = "tables/signatures.csv"
SET = "HALLMARK_INTERFERON_GAMMA_RESPONSE"
MIN_CELLS = 10
MONOCYTES = "monocyte"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per patient and cell type, the highest median first."""
    every = _panels.read(ctx, SIGNATURES).astype({"patient": str, "cell_type": str})
    chosen = (every["signature"] == SET) & (every["timepoint"] == k.timepoints.day7)
    chosen &= ~every["cell_type"].isin({k.UNASSIGNED, "", "nan"}) & every["mean"].notna()
    table = every[chosen].reset_index(drop=True)
    if table.empty:
        msg = f"no day 7 cells with a score of {SET}"
        raise NotDrawable(msg)
    table["counted"] = table["n_cells"] >= MIN_CELLS
    medians = table["mean"].where(table["counted"]).groupby(table["cell_type"]).median()
    order = list(medians.sort_values(ascending=False, na_position="last", kind="stable").index)
    palette = {n: pl.GROUP if MONOCYTES in n else pl.PALETTE[6] for n in order}
    figure, ax = plt.subplots(figsize=(5.6, 3.0), layout="constrained")
    drawn = table.assign(cell_type=table["cell_type"].str.replace(" ", "\n"))
    pl.strip(
        drawn, x="cell_type", y="mean", ax=ax, order=[n.replace(" ", "\n") for n in order],
        palette={n.replace(" ", "\n"): c for n, c in palette.items()}, filled="counted",
    )  # fmt: skip
    ax.set(ylabel="mean IFN-\u03b3 response score", title=_highest(table))
    return figure, table


def _highest(table: pd.DataFrame) -> str:
    counted = table[table["counted"]]
    types = counted.groupby("patient")["cell_type"].nunique()
    several = counted[counted["patient"].isin(types[types > 1].index)]
    if several.empty:
        return ""
    top = several.loc[several.groupby("patient")["mean"].idxmax(), "cell_type"]
    n = int(np.sum([MONOCYTES in name for name in top]))
    return f"highest in monocytes in {n} of {len(top)} patients"


FIGURE = FigureSpec(
    id="S11E",
    title="Response to interferon gamma by cell type at day 7",
    needs=(SIGNATURES,),
    draw=draw,
    claims=("ifng-source-and-response",),
    caption="Score of the Hallmark set IFN-\u03b3 response (its genes against control genes of "
    "like expression), mean of the cells of a patient, one dot per patient, both arms and "
    "all libraries, bars at medians; orange: monocytes. Hollow: fewer than 10 cells, not "
    "counted; no test. Cell types differ in what they express without IFN-\u03b3 too.",
    note="One dot per patient; hollow: fewer than 10 cells, not counted. No test.",
)
