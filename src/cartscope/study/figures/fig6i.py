"""Figure 6I: the share of cycling T cells in each patient, by toxicity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panels
from cartscope.study.panels._arms import strip_by_arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

CORRECTED = "tables/corrected.csv"
PANELS = {"CAR\u2212 T cells": "car_neg", "CAR+ T cells": "car_pos"}


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per patient, tested within each arm."""
    figure, axes = plt.subplots(1, 2, figsize=(6.2, 3.2), layout="constrained", sharey=True)
    parts = []
    for ax, (title, population) in zip(axes, PANELS.items(), strict=True):
        contrasts = {
            "anakinra": f"cycling_{population}_anakinra",
            "no anakinra": f"cycling_{population}_no_anakinra",
        }
        parts.append(strip_by_arm(ctx, "cycling", contrasts=contrasts, ax=ax))
        ax.set(title=title, ylabel="cycling cells (%)" if ax is axes[0] else "")
        if population == "car_neg":
            ax.set_xlabel(_without_missed(ctx, contrasts), fontsize=6)
    return figure, pd.concat(parts, ignore_index=True)


def _without_missed(ctx: Context, contrasts: dict[str, str]) -> str:
    lines = ["with the estimated missed CAR T cells taken out:"]
    for arm, contrast in contrasts.items():
        try:
            row = _panels.result_rows(ctx, CORRECTED, contrast).iloc[0]
        except NotDrawable:
            lines.append(f"{arm}: not tested")
        else:
            test = _panels.say_p(row, family=False).replace("\n", ", ")
            low, high = 100 * row["median_reference"], 100 * row["median_group"]
            lines.append(f"{arm}: medians {low:.1f}% and {high:.1f}%, {test}")
    return "\n".join(lines)


FIGURE = FigureSpec(
    id="6I",
    title="Cycling T cells by toxicity",
    needs=("tables/cycling.csv", "tables/cycling_patients.csv", CORRECTED, _panels.CONTRASTS),
    params=("cycling",),
    draw=draw,
    claims=("cycling-car-negative", "cycling-car-positive", "cycling-no-anakinra"),
    caption="Share of day 7 T cells in S or G2M, one dot per patient, bars at medians; grade ≥ 2:"
    " CRS or NT. Exact two-sided Mann-Whitney U test within each arm, "
    "within study where it says so; q by "
    "Benjamini-Hochberg within the contrast. Hollow: too few cells, not tested. CAR\u2212"
    " cells come from unsorted samples; CAR T cells missed among them can make a "
    "difference where expansion differs by grade.",
    note="Exact two-sided Mann-Whitney U test, within study where it says so, one value "
    "per patient; q within a contrast. "
    "CAR− cells hold missed CAR T cells.",
)
