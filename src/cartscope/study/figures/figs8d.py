"""Figure S8D: ICANS-associated cells in each infusion product, by neurotoxicity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot as plt

from cartscope.study._model import FigureSpec
from cartscope.study.panels import _panels
from cartscope.study.panels._arms import strip_by_arm

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per patient."""
    figure, ax = plt.subplots(figsize=(3.4, 2.9), layout="constrained")
    table = strip_by_arm(
        ctx,
        "composition",
        contrasts={"anakinra": "iac_nt_anakinra", "no anakinra": "iac_nt_no_anakinra"},
        ax=ax,
        population="ICANS-associated",
        sides=("NT ≥ 2", "NT ≤ 1"),
    )
    ax.axhline(1, color="#888888", linewidth=0.5, dashes=(4, 3))
    above = int((table["percent"] > 1).sum())
    ax.set(
        title=f"above 1% in {above} of {len(table)} patients",
        ylabel="ICANS-associated cells (%)",
    )
    return figure, table


FIGURE = FigureSpec(
    id="S8D",
    title="ICANS-associated cells by neurotoxicity",
    needs=("tables/composition.csv", "tables/composition_patients.csv", _panels.CONTRASTS),
    params=("composition",),
    draw=draw,
    claims=("iac-rare",),
    caption="Share of ICANS-associated cells among all cells of an infusion product, one dot per "
    "patient, bars at medians. Exact two-sided Mann-Whitney U test within each arm, "
    "within study where it says so; q by "
    "Benjamini-Hochberg over cell types. The cells are so rare that few patients decide: "
    "no difference here is not evidence of none.",
    note="Exact two-sided Mann-Whitney U test, within study where it says so, one value "
    "per patient; q over cell types. So "
    "rare that few patients decide.",
)
