"""Figures S11B and S11C: interferon gene sets in CD14 monocytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import Figure

    from cartscope.study._context import Context

GSEA = "tables/gsea.csv"
CONTRASTS = {
    "mono_crs_anakinra": "CRS, anakinra",
    "mono_crs_no_anakinra": "CRS, no anakinra",
    "mono_nt_anakinra": "NT, anakinra",
}
WORD = "INTERFERON"
COLOR, SIZE = "normalised enrichment score", "\u2212log$_{10}$ q"
CAP = 10.0  # of the drawn area; the source data hold every q


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw every interferon set that was scored, in both arms and by NT."""
    parts, reasons = [], []
    for contrast, name in CONTRASTS.items():
        try:
            rows = _panels.result_rows(ctx, GSEA, contrast)
        except NotDrawable as answer:
            reasons.append(str(answer))
            continue
        n = _panels.say_n(_panels.profiled(ctx, contrast))
        chosen = rows["gene_set"].str.contains(WORD)
        parts.append(rows[chosen].assign(column=f"{name}\n{n}"))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if table.empty:
        msg = "; ".join(reasons) or "no interferon set could be scored"
        raise NotDrawable(msg)
    table["set"] = table["gene_set"].map(_panels.short_set)
    table["minus_log10_q"] = -np.log10(np.maximum(table["fdr"], np.finfo(float).tiny))
    figure, ax = plt.subplots(
        figsize=(5.6, 1.5 + 0.19 * table["set"].nunique()), layout="constrained"
    )
    drawn = table.rename(columns={"nes": COLOR, "minus_log10_q": SIZE})
    pl.dot_plot(drawn, x="column", y="set", color=COLOR, size=SIZE, ax=ax, diverging=True,
                largest=CAP)  # fmt: skip
    drawn = [c for c in CONTRASTS if (table["contrast"] == c).any()]
    lines = _between_patients(ctx, table["gene_set"].unique(), drawn)
    ax.set_xlabel("\n".join(lines), fontsize=5.5)
    return figure, table.drop(columns=["column", "set", "reason"], errors="ignore")


def _between_patients(ctx: Context, sets: Iterable[str], contrasts: list[str]) -> list[str]:
    """Return a line per set that has a score per patient: p in the order of the columns."""
    table = _panels.read(ctx, _panel_tables.SET_SCORES).set_index(["gene_set", "contrast"])
    p, q = table["p_value"].dropna(), table["fdr"]
    lines = []
    for name in sets:
        keys = [(name, c) for c in contrasts]
        if any(key in p.index for key in keys):
            words = [f"{_panels.number(p[key])} (q {_panels.number(q[key])})" if key in p.index
                     else "not tested" for key in keys]  # fmt: skip
            lines.append(f"{_panels.short_set(name)}: {', '.join(words)}")
    title = "between patients, U test of one score each, p from left to right:"
    return [title, *lines, *_within(table, contrasts)] if lines else []


def _within(table: pd.DataFrame, contrasts: list[str]) -> list[str]:
    """Return a line per contrast whose patients were compared within strata."""
    rows = table[table["p_value"].notna()].reset_index().drop_duplicates("contrast")
    words = {row["contrast"]: _panels.within(row) for _, row in rows.iterrows()}
    return [f"{CONTRASTS[c]}: {words[c]}" for c in contrasts if words.get(c)]


FIGURE = FigureSpec(
    id="S11B-C",
    title="Interferon gene sets in CD14 monocytes",
    needs=(GSEA, _panel_tables.SET_SCORES, _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=("monocyte-anakinra-only",),
    caption="Normalised enrichment scores of the sets with interferon in their name, grade ≥ 2 "
    "against ≤ 1; q by Benjamini-Hochberg over all sets of a contrast, areas end at q = "
    "1e-10. The p is a gene-permutation p: it ignores correlation between genes, and "
    "these sets share genes.",
    note="q: prerank, gene permutation: p ignores correlation between genes; these sets share "
    "genes.",
)
