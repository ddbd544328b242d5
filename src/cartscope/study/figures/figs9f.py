"""Figure S9F: what changes in T cells from the product to day 7."""

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

CLAIMS = ("il4-genes-fall-by-day7", "il4-il10-in-cd4-ctl")


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the volcano with the genes of IL-4, IL-10 and IL-13 named."""
    figure, ax = plt.subplots(figsize=(4.4, 3.8), layout="constrained")
    genes = _panels.claim_features(ctx, CLAIMS)
    return figure, draw_volcano(ctx, "t_day7_vs_product", ax=ax, genes=genes, n_top=0)


FIGURE = FigureSpec(
    id="S9F",
    title="T cells at day 7 against the infusion product",
    needs=("tables/de.csv", _panels.CONTRASTS, _panels.PSEUDOBULK),
    draw=draw,
    claims=("il4-genes-fall-by-day7", "il10-set-rises-by-day7"),
    caption="Pseudobulk differential expression of T cells of unsorted samples, paired within "
    "patients who have both samples; coloured at Benjamini-Hochberg q < 0.1. The paper "
    "finds IL-4 genes 38 to 180 times lower at day 7: log2 fold changes of -5.2 to -7.5. "
    "A p too small for a float is drawn at 1e-307.",
    note="{de}, paired by patient. A p below 1e-307 is drawn there.",
)
