"""Figure 7D: ligand-receptor pairs that go with breakthrough toxicity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec
from cartscope.study.panels import _panels
from cartscope.study.panels._ligrec import dots, floor_note

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CONTRASTS = {
    "ligrec_crs_anakinra": "CRS, anakinra",
    "ligrec_nt_anakinra": "NT, anakinra",
    "ligrec_crs_no_anakinra": "CRS, no anakinra",
}


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the pairs that the claims name, from CD14 monocytes, in every contrast."""
    named = ctx.manifests.ligand_receptor.pair
    pairs = [(p.ligand, p.receptor, p.source) for p in named]
    targets = list(dict.fromkeys(t for p in named for t in p.targets))
    table = dots(ctx, CONTRASTS, pairs=pairs, targets=targets)
    figure, ax = plt.subplots(figsize=(5.4, 1.6 + 0.2 * table["row"].nunique()),
                              layout="constrained")  # fmt: skip
    color, size = "log$_2$ change of the median score", "\u2212log$_{10}$ q"
    drawn = table.rename(columns={"log2_change": color, "minus_log10_q": size})
    pl.dot_plot(drawn, x="to", y="row", color=color, size=size, ax=ax, diverging=True,
                largest=max(1.0, table["minus_log10_q"].max()))  # fmt: skip
    floor_note(ax, table)
    return figure, table.drop(columns="row")


FIGURE = FigureSpec(
    id="7D",
    title="Ligands of CD14 monocytes and receptors, by toxicity",
    needs=("tables/ligrec.csv", _panels.CONTRASTS),
    draw=draw,
    claims=("lr-cxcl10", "lr-retn-cap1"),
    caption="One score per patient, pair and ordered pair of populations; colour: grade ≥ 2 "
    "against ≤ 1, area: exact Mann-Whitney U test, within study where it says so, "
    "Benjamini-Hochberg within a contrast over "
    "the named pairs between all populations, a family of their own (preset published: over "
    "all candidates); cross: not tested, or too few patients for a q. CAR+ cells come from "
    "all samples, the others from unsorted ones.",
    note="Exact two-sided Mann-Whitney U test, within study where it says so, one value "
    "per patient; what q is over stands "
    "under the panel.",
)
