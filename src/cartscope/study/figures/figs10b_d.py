"""Figure S10B-D: gene sets that go with anakinra in CAR+ CD4 CTL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec
from cartscope.study.comparisons._set_notes import shared_lines
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

GSEA = "tables/gsea.csv"
OVERLAP = "tables/gene_set_overlap.csv"
CONTRAST = "ctl_anakinra_low_crs"
CLAIM = "anakinra-il4-il13-il18-gsea"
TOP = 10
WIDTH = "normalised enrichment score"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the sets of the claim, then those with the smallest p."""
    rows = _panels.result_rows(ctx, GSEA, CONTRAST)
    named = _panels.claim_sets(ctx, CLAIM)
    rest = rows[~rows["gene_set"].isin(named)].sort_values("p_value", kind="stable").head(TOP)
    table = rows[rows["gene_set"].isin(named)]
    n_named = len(table)
    table = pd.concat([table, rest], ignore_index=True)
    table["set"] = [named.get(s, _panels.short_set(s)) for s in table["gene_set"]]
    table["note"] = [f"q = {_panels.number(q)}" for q in table["fdr"]]
    figure, ax = plt.subplots(figsize=(5.6, 1.4 + 0.19 * len(table)), layout="constrained")
    pl.bars(table.rename(columns={"nes": WIDTH}), y="set", width=WIDTH, ax=ax, note="note")
    if 0 < n_named < len(table):
        ax.axhline(n_named - 0.5, color="#888888", linewidth=0.5)
    n = _panels.say_n(_panels.profiled(ctx, CONTRAST))
    ax.set_title("{} against {}, {n}".format(*_panels.sides(ctx, CONTRAST), n=n))
    absent = [text for name, text in named.items() if name not in set(rows["gene_set"])]
    lines = []
    if absent:
        lines.append(f"not ranked, too small or too large: {', '.join(absent)}")
    lines += ["between patients, U test of one score each:"]
    lines += _panel_tables.set_scores(ctx, {"": CONTRAST}, named)
    lines += shared_lines(_panels.read(ctx, OVERLAP), named, drawn=named)
    ax.set_xlabel("\n".join([WIDTH, *lines]))
    return figure, table.drop(columns=["note", "reason"], errors="ignore")


FIGURE = FigureSpec(
    id="S10B-D",
    title="Gene sets that go with anakinra in CAR+ CD4 CTL",
    needs=(GSEA, _panel_tables.SET_SCORES, OVERLAP, _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=(CLAIM,),
    caption="Normalised enrichment scores of the sets that the text names (above the line, where "
    "they could be scored) and of the ten others with the smallest p; q by "
    "Benjamini-Hochberg over all sets. The p is a gene-permutation p: it ignores "
    "correlation between genes. Reactome's IL-18 set has 8 genes, IL4 and IL13 among "
    "them.",
    note="q: prerank, gene permutation: p ignores correlation between genes.",
)
