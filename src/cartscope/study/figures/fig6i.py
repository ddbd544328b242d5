"""Figure 6I: the share of cycling T cells in each patient, by toxicity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import pl
from cartscope.study import _panels
from cartscope.study._model import FigureSpec, NotDrawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

TESTS = "tables/cycling.csv"
SHARES = "tables/cycling_patients.csv"
PANELS = {"CAR\u2212 T cells": "car_neg", "CAR+ T cells": "car_pos"}
ARMS = {"anakinra": "anakinra", "no anakinra": "no_anakinra"}


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per patient, tested within each arm."""
    least = ctx.preset.values("cycling")["min_cells"]
    figure, axes = plt.subplots(1, 2, figsize=(6.2, 2.9), layout="constrained", sharey=True)
    parts, reasons = [], []
    for ax, (title, population) in zip(axes, PANELS.items(), strict=True):
        rows, order, palette, tests = [], [], {}, {}
        for arm, name in ARMS.items():
            contrast = f"cycling_{population}_{name}"
            try:
                test = _panels.result_rows(ctx, TESTS, contrast).iloc[0]
            except NotDrawable as answer:
                reasons.append(str(answer))
                continue
            labels = {"group": "grade ≥ 2", "reference": "grade ≤ 1"}
            shares = _panels.patient_rows(ctx, SHARES, contrast, least=least)
            names = {side: f"{text}\n{arm}" for side, text in labels.items()}
            rows.append(shares.assign(column=shares["side"].map(names)))
            order += [names["reference"], names["group"]]
            palette |= {names["reference"]: pl.REFERENCE, names["group"]: pl.GROUP}
            tests[names["reference"], names["group"]] = _panels.say_p(test)
        if not rows:
            raise NotDrawable("; ".join(dict.fromkeys(reasons)))
        table = pd.concat(rows, ignore_index=True).assign(percent=lambda t: 100 * t["fraction"])
        ax.set_title(title)
        pl.strip(
            table, x="column", y="percent", ax=ax, order=order, palette=palette,
            filled="counted", tests=tests,
        )  # fmt: skip
        ax.set_ylabel("cycling cells (%)" if ax is axes[0] else "")
        ax.set_ylim(bottom=0)
        parts.append(table)
    source = pd.concat(parts, ignore_index=True).drop(columns="column")
    return figure, source


FIGURE = FigureSpec(
    id="6I",
    title="Cycling T cells by toxicity",
    needs=(TESTS, SHARES, _panels.CONTRASTS),
    draw=draw,
    claims=("cycling-car-negative", "cycling-car-positive", "cycling-no-anakinra"),
    caption="Share of day 7 T cells in S or G2M, one dot per patient, bars at medians; grade ≥ 2:"
    " CRS or NT. Exact two-sided Mann-Whitney U test within each arm; q by "
    "Benjamini-Hochberg within the contrast. Hollow: too few cells, not tested. CAR\u2212"
    " cells come from unsorted samples; CAR T cells missed among them can make a "
    "difference where expansion differs by grade.",
)
