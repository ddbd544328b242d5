"""Figure S11G: every ligand-receptor pair that goes with CRS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study import _panels
from cartscope.study._ligrec import dots
from cartscope.study._model import FigureSpec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

LIGREC = "tables/ligrec.csv"
CONTRAST = "ligrec_crs_anakinra"
ALPHA = 0.1
MOST = 29


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the pairs with the smallest p, those below the level if there are any."""
    rows = _panels.result_rows(ctx, LIGREC, CONTRAST)
    passing = int((rows["fdr"] < ALPHA).sum())
    chosen = rows[rows["fdr"] < ALPHA] if passing else rows
    best = chosen.sort_values("p_value", kind="stable")
    keys = best[["ligand", "receptor", "source"]].drop_duplicates().head(MOST)
    pairs = list(keys.itertuples(index=False, name=None))
    targets = list(dict.fromkeys(rows["target"]))
    labels = {n: p.label for n, p in ctx.manifests.contrasts.population.items()}
    table = dots(ctx, {CONTRAST: ""}, pairs=pairs, targets=targets)
    table["row"] = [
        f"{r.ligand}\u2013{r.receptor} from {labels[r.source]}" for r in table.itertuples()
    ]
    figure, ax = plt.subplots(
        figsize=(6.4, 1.8 + 0.17 * table["row"].nunique()), layout="constrained"
    )
    color, size = "log$_2$ change of the median score", "\u2212log$_{10}$ q"
    drawn = table.rename(columns={"log2_change": color, "minus_log10_q": size})
    pl.dot_plot(drawn, x="to", y="row", color=color, size=size, ax=ax, diverging=True,
                largest=max(1.0, table["minus_log10_q"].max()))  # fmt: skip
    title = f"{passing:,} of {len(rows):,} tests have q < {ALPHA:g}"
    if not passing:
        title += (
            f", the smallest q is {_panels.number(rows['fdr'].min())}: the smallest p are shown"
        )
    ax.set_title(title, pad=26)
    _panels.floor_note(ax, table)
    return figure, table.drop(columns="row")


FIGURE = FigureSpec(
    id="S11G",
    title="Ligand-receptor pairs that go with CRS",
    needs=(LIGREC, _panels.CONTRASTS),
    draw=draw,
    claims=("lr-candidates",),
    caption="Pairs with q < 0.1 in at least one pair of populations, anakinra arm, CRS grade ≥ 2 "
    "against ≤ 1, at most 29; where none has, those with the smallest p. Exact "
    "Mann-Whitney U test between patients, q by Benjamini-Hochberg; cross: not tested. "
    "With 4 against 6 patients the floor of the test bounds every q from below.",
)
