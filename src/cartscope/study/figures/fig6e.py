"""Figure 6E: gene sets that go with CRS in infusion products, CD4 against CD8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.comparisons._set_notes import shared_lines
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

GSEA = "tables/gsea.csv"
OVERLAP = "tables/gene_set_overlap.csv"
SETS = ("ip_cd4_crs_no_anakinra", "ip_cd8_crs_no_anakinra")
ALPHA = 0.1
CLAIM = "ip-il4-il10-gsea"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the normalised enrichment scores of every set scored in both."""
    cd4, cd8 = (_panels.result_rows(ctx, GSEA, c).set_index("gene_set") for c in SETS)
    columns = ["size", "nes", "p_value", "fdr"]
    table = cd4[columns].join(cd8[columns], how="inner", lsuffix="_cd4", rsuffix="_cd8")
    if table.empty:
        msg = "no gene set was scored in both CD4 and CD8 T cells"
        raise NotDrawable(msg)
    passes = table[["fdr_cd4", "fdr_cd8"]].to_numpy() < ALPHA
    classes = [f"q ≥ {ALPHA:g} in both", "CD8 only", "CD4 only", "both"]
    table["significant"] = np.select(
        [passes.all(axis=1), passes[:, 0], passes[:, 1]], classes[:0:-1], classes[0]
    )
    n = [_panels.say_n(_panels.profiled(ctx, c)) for c in SETS]
    named = _panels.claim_sets(ctx, CLAIM)
    between = dict(zip(("CD4", "CD8"), SETS, strict=True))
    lines = _panel_tables.set_scores(ctx, between, named)
    lines += shared_lines(_panels.read(ctx, OVERLAP), named, drawn=table.index)
    # names are placed by where the points lie, so the lines under the axis come first
    x = "\n".join([f"NES, CD4 ({n[0]})", "between patients, U test of one score each:", *lines])
    y = f"NES, CD8 ({n[1]})"
    figure, ax = plt.subplots(figsize=(5.0, 3.8), layout="constrained")
    ax.set_title(
        "infusion products, no anakinra: {} against {}".format(*_panels.sides(ctx, SETS[0]))
    )
    shades = (pl.GREY, pl.PALETTE[0], pl.PALETTE[2], pl.PALETTE[7])
    pl.effect_scatter(
        table.rename(columns={"nes_cd4": x, "nes_cd8": y}), x=x, y=y, color="significant", ax=ax,
        palette=dict(zip(classes, shades, strict=True)), label=named,
    )  # fmt: skip
    return figure, table.reset_index()


FIGURE = FigureSpec(
    id="6E",
    title="Gene sets and CRS in infusion products",
    needs=(GSEA, _panel_tables.SET_SCORES, OVERLAP, _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=(CLAIM,),
    caption="Normalised enrichment scores, CRS grade ≥ 2 against ≤ 1, comparator cohort; colours:"
    " Benjamini-Hochberg q < 0.1. The p of a ranked list is a gene-permutation p: it "
    "ignores correlation between genes. The paper's library of T-cell pathways is not "
    "public: these are the sets of the preset. The IL-10 set is mostly cytokines that IL-10 "
    "represses: a low score is less inflammation, not less IL-10 activity.",
    note="Colours: prerank, gene permutation: p ignores correlation between genes. Comparator "
    "cohort.",
)
