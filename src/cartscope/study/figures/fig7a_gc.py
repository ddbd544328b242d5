"""Beside figure 7A: how strongly each patient's monocytes answer glucocorticoids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.collections import PathCollection

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

SCORES = "tables/gene_set_scores.csv"
PATIENTS = "tables/gene_set_patients.csv"
SET = "GLUCOCORTICOID_MONOCYTE_SCORE"
ARMS = {"anakinra": "mono_crs_anakinra", "no anakinra": "mono_crs_no_anakinra"}
SIDES = {REFERENCE: "grade \u2264 1", GROUP: "grade \u2265 2"}


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one dot per patient, tested within each arm; hollow where steroids came before."""
    every = _panels.read(ctx, PATIENTS)
    every = every[(every["gene_set"] == SET) & every["score"].notna()]
    parts, tests, palette, reasons = [], {}, {}, []
    for arm, contrast in ARMS.items():
        try:
            results = _panels.result_rows(ctx, SCORES, contrast)
        except NotDrawable as answer:
            reasons.append(str(answer))
            continue
        names = {side: f"{text}\n{arm}" for side, text in SIDES.items()}
        rows = every[every["contrast"] == contrast]
        tested = results[results["gene_set"] == SET]
        if rows.empty or tested.empty:
            reasons.append(f"{contrast}: {SET} was not scored")
            continue
        parts.append(rows.assign(arm=arm, column=rows["side"].map(names)))
        palette |= {names[REFERENCE]: pl.REFERENCE, names[GROUP]: pl.GROUP}
        row = tested.iloc[0]
        tests[names[REFERENCE], names[GROUP]] = _say(row)
    if not parts:
        raise NotDrawable("; ".join(dict.fromkeys(reasons)))
    table = pd.concat(parts, ignore_index=True)
    steroid = table[k.obs.steroid_before_sample].astype(str)
    figure, ax = plt.subplots(figsize=(3.6, 3.2), layout="constrained")
    pl.strip(table, x="column", y="score", ax=ax, order=list(palette), palette=palette, tests=tests)
    _hollow(ax, table.assign(steroid=steroid == "true"), palette)
    ax.set(ylabel="glucocorticoid score (mean z within the arm)")
    ax.set_xlabel(_treatment(steroid), fontsize=6)
    return figure, table.drop(columns="column")


def _say(row: pd.Series) -> str:
    text = f"p = {_panels.number(row['p_value'])}"
    return f"{text}, {_panels.within(row)}" if _panels.within(row) else text


def _hollow(ax: Axes, table: pd.DataFrame, palette: dict[str, str]) -> None:
    """Empty the dots of patients with steroids before the sample; they count all the same."""
    dots = [c for c in ax.collections if isinstance(c, PathCollection)]
    for drawn, (group, color) in zip(dots, palette.items(), strict=True):
        steroid = table.loc[table["column"] == group, "steroid"]
        drawn.set_facecolor(["none" if s else color for s in steroid])


def _treatment(steroid: pd.Series) -> str:
    unknown = int((~steroid.isin(["true", "false"])).sum())
    if unknown == len(steroid):
        return "treatment before the sample unknown"
    text = f"hollow: steroid before the sample ({int((steroid == 'true').sum())} patients)"
    return f"{text}; unknown for {unknown}" if unknown else text


FIGURE = FigureSpec(
    id="7A-GC",
    title="Glucocorticoid score of CD14 monocytes by CRS grade",
    needs=(SCORES, PATIENTS, _panels.CONTRASTS),
    draw=draw,
    claims=("monocyte-shared-up", "monocyte-il1-down"),
    caption="Not in the paper; stands beside 7A. Mean over FKBP5, TSC22D3, PER1, ZBTB16 and CD163 "
    "of log2 counts per million, standardised over the patients of the arm, in day 7 CD14 "
    "monocytes; one dot per patient, bars at medians. Exact two-sided Mann-Whitney U test "
    "within each arm, within study where it says so. Tocilizumab and steroids were given for "
    "grade \u2265 2 only, often "
    "before the sample: what rises with grade may answer the treatment. Where treatment "
    "before the sample is known, patients with steroids are hollow; where not: treatment "
    "unknown.",
    note="Exact two-sided Mann-Whitney U test, one value per patient. Steroids: grade \u2265 2 "
    "only, by protocol.",
)
