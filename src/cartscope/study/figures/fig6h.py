"""Figure 6H: IL10 of each patient in CAR+ CD4 CTL, by anakinra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CONTRAST = "ctl_anakinra_low_crs"
GENE = "IL10"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw log2 counts per million of each patient, with q of the DE test."""
    rows = _panels.result_rows(ctx, "tables/de.csv", CONTRAST)
    table = _panel_tables.log_cpm(ctx, CONTRAST, [GENE])
    if GENE not in table:
        msg = f"{GENE} has no counts in this population"
        raise NotDrawable(msg)
    group, reference = _panels.sides(ctx, CONTRAST)
    names = {GROUP: group, REFERENCE: reference}
    tested = rows[rows["gene"] == GENE]
    text = "not tested: too few counts"
    if len(tested):
        row = tested.iloc[0]
        text = f"p = {_panels.number(row['p_value'])}\nq = {_panels.number(row['fdr'])}"
        text += f" of {len(rows):,} genes"
    figure, ax = plt.subplots(figsize=(2.4, 2.9), layout="constrained")
    pl.strip(
        table.assign(group=table["side"].map(names)), x="group", y=GENE, ax=ax,
        order=[reference, group], tests={(reference, group): text},
        palette={reference: pl.REFERENCE, group: pl.GROUP},
    )  # fmt: skip
    ax.set_ylabel(f"{GENE}, log$_2$(1 + counts per million)")
    return figure, table


FIGURE = FigureSpec(
    id="6H",
    title="IL10 in CAR+ CD4 CTL, patient by patient",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=("il10-with-anakinra",),
    caption="Pseudobulk IL10 of each patient of panel G, bars at medians; p and q of the "
    "differential expression test, not of these dots. Few counts stand behind each dot: "
    "one transcript moves it.",
    note="{de}, not a test of these dots. Few counts stand behind each.",
)
