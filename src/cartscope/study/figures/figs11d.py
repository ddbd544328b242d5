"""Figure S11D: effects of neurotoxicity in CD14 monocytes, with anakinra against without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope.study._model import FigureSpec
from cartscope.study.panels import _effects, _panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw every gene tested in both arms, and name the genes of the claims."""
    return _effects.draw_two_arms(
        ctx,
        ("mono_nt_anakinra", "mono_nt_no_anakinra"),
        interaction=None,
        genes=_panels.claim_features(ctx, ["monocyte-nt-trend"]),
        alpha=0.1,
    )


FIGURE = FigureSpec(
    id="S11D",
    title="Neurotoxicity in CD14 monocytes, with and without anakinra",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=("monocyte-nt-trend",),
    caption="log2 fold change of day 7 CD14 monocytes, NT grade ≥ 2 against ≤ 1, on pseudobulk "
    "per patient; colours: Benjamini-Hochberg q < 0.1 within each arm. A trend that does "
    "not reach significance is what it says: with so few patients neither an effect nor "
    "its absence is shown.",
    note="{de}, pseudobulk per patient. So few patients show neither an effect nor its absence.",
)
