"""Figure 6G: what anakinra changes in CAR+ CD4 CTL of patients without grade >= 2 CRS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope.study._model import FigureSpec
from cartscope.study.panels import _panels
from cartscope.study.panels._volcano import draw_volcano

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CLAIM = "il10-with-anakinra"


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the volcano."""
    figure, ax = plt.subplots(figsize=(3.8, 3.6), layout="constrained")
    genes = _panels.claim_features(ctx, [CLAIM])
    return figure, draw_volcano(ctx, "ctl_anakinra_low_crs", ax=ax, genes=genes)


FIGURE = FigureSpec(
    id="6G",
    title="Anakinra in CAR+ CD4 CTL at day 7",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=(CLAIM,),
    caption="Pseudobulk differential expression, anakinra against none, day 7 CAR+ CD4 CTL of the"
    " new study's patients without grade ≥ 2 CRS; coloured at Benjamini-Hochberg q < 0.1."
    " n counts patients with enough of these cells. The paper's results say IL10 is "
    "higher with anakinra, its discussion says lower.",
    note="{de}, pseudobulk per patient; patients without CRS grade ≥ 2. The paper contradicts "
    "itself on the direction of IL10.",
)
