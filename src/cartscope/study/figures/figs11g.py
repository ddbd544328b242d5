"""Figure S11G: every ligand-receptor pair that goes with CRS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study._model import FigureSpec
from cartscope.study.panels import _panels
from cartscope.study.panels._ligrec import LIGREC, PRIMARY, dots, floor_note

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CONTRAST = "ligrec_crs_anakinra"
ALPHA = 0.1
MOST = 29


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the named pairs, then the others that pass, or the ones with the smallest p."""
    rows = _panels.result_rows(ctx, LIGREC, CONTRAST)
    if "family" not in rows:
        rows["family"] = ""
    named = rows["family"] == PRIMARY
    pairs = [*_pairs(rows[named], passing=False), *_pairs(rows[~named], passing=True)][:MOST]
    targets = list(dict.fromkeys(rows["target"]))
    labels = {n: p.label for n, p in ctx.manifests.contrasts.population.items()}
    table = dots(ctx, {CONTRAST: ""}, pairs=pairs, targets=targets)
    star = np.where(table["family"] == PRIMARY, " *", "")
    table["row"] = [
        f"{r.ligand}\u2013{r.receptor} from {labels[r.source]}{s}"
        for r, s in zip(table.itertuples(), star, strict=True)
    ]
    figure, ax = plt.subplots(
        figsize=(7.2, 1.8 + 0.17 * table["row"].nunique()), layout="constrained"
    )
    color, size = "log$_2$ change of the median score", "\u2212log$_{10}$ q"
    drawn = table.rename(columns={"log2_change": color, "minus_log10_q": size})
    pl.dot_plot(drawn, x="to", y="row", color=color, size=size, ax=ax, diverging=True,
                largest=max(1.0, table["minus_log10_q"].max()))  # fmt: skip
    families = sorted(rows.groupby("family"), key=lambda item: item[0] != PRIMARY)
    ax.set_title("\n".join(_count(g, n) for n, g in families), pad=26)
    floor_note(ax, table)
    return figure, table.drop(columns="row")


def _pairs(rows: pd.DataFrame, *, passing: bool) -> list[tuple[str, str, str]]:
    """Return ligand, receptor and source, those that pass if asked and if any does."""
    passes = rows["fdr"] < ALPHA
    chosen = rows[passes] if passing and passes.any() else rows
    order = chosen.assign(change=-chosen["log2_change"].abs())
    best = order.sort_values(["p_value", "change"], kind="stable")
    keys = best[["ligand", "receptor", "source"]].drop_duplicates()
    return list(keys.itertuples(index=False, name=None))


def _count(rows: pd.DataFrame, family: str) -> str:
    passing = int((rows["fdr"] < ALPHA).sum())
    tests = f"{family} tests" if family else "tests"
    text = f"{passing:,} of {rows['fdr'].notna().sum():,} {tests} have q < {ALPHA:g}"
    if passing:
        return text
    smallest = _panels.number(rows["fdr"].min())
    return f"{text}, the smallest q is {smallest}:\nthose with the smallest p are shown"


FIGURE = FigureSpec(
    id="S11G",
    title="Ligand-receptor pairs that go with CRS",
    needs=(LIGREC, _panels.CONTRASTS),
    draw=draw,
    claims=("lr-candidates",),
    caption="First the named pairs (*), then the others with q < 0.1 in at least one pair of "
    "populations, anakinra arm, CRS grade ≥ 2 against ≤ 1, at most 29; where none of the "
    "others has, those with the smallest p, larger changes first. Exact Mann-Whitney U test "
    "between patients; q by Benjamini-Hochberg within the named pairs, and within the "
    "others (preset published: no named pairs, and all candidates are one family); cross: not "
    "tested; empty: no candidate there. With 4 against 6 patients the floor of the test bounds "
    "every q from below.",
    note="*: named in the paper. Exact two-sided Mann-Whitney U test, one value per patient; "
    "its floor bounds every q from below.",
)
