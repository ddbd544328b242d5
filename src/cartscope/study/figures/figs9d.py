"""Figure S9D: subsets of CAR- T cells in each patient, by grade of CRS."""

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

TESTS = "tables/composition.csv"
CONTRASTS = {
    "none": "composition_crs_no_anakinra",
    "anakinra": "composition_crs_anakinra",
}
BY_NT = {"none": "composition_nt_no_anakinra", "anakinra": "composition_nt_anakinra"}
FIRST = ("Treg", "CD8")  # the ones that the claims name
COLUMNS = 4


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one small panel per subset and lineage."""
    every = _panels.read(ctx, TESTS)
    here = every[every["contrast"].isin(CONTRASTS.values()) & every["p_value"].notna()]
    populations = sorted(set(here["population"]), key=lambda p: (p not in FIRST, p))
    if not populations:
        first = CONTRASTS["none"]
        reason = _panels.why_none(ctx, every[every["contrast"] == first], first)
        msg = f"{first}: {reason}"
        raise NotDrawable(msg)
    rows = -(-len(populations) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(7.4, 0.3 + 2.1 * rows), layout="constrained", squeeze=False
    )
    parts = []
    for ax, population in zip(axes.flat, populations, strict=False):
        parts.append(
            strip_by_arm(
                ctx, "composition", contrasts=CONTRASTS, ax=ax, population=population,
                sides=("≥ 2", "≤ 1"), family=False,
            )
        )  # fmt: skip
        sizes = sorted(set(parts[-1]["family_size"]))
        ax.set(title=f"{population} (q over {' or '.join(map(str, sizes))})", ylabel="")
        ax.tick_params(axis="x", labelsize=5.5)
        ax.set_xlabel(_by_nt(every, population), fontsize=5.5)
    for ax in axes.flat[len(populations) :]:
        ax.set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel("CAR\u2212 T cells (%)")
    return figure, pd.concat(parts, ignore_index=True)


def _by_nt(tests: pd.DataFrame, population: str) -> str:
    words = []
    for arm, contrast in BY_NT.items():
        rows = tests[(tests["contrast"] == contrast) & (tests["population"] == population)]
        rows = rows[rows["p_value"].notna()]
        q = f"q = {_panels.number(rows['fdr'].iloc[0])}" if len(rows) else "not tested"
        words.append(f"{arm} {q}")
    return "by NT: " + ",\n".join(words)


FIGURE = FigureSpec(
    id="S9D",
    title="Subsets of CAR\u2212 T cells by CRS",
    needs=(TESTS, "tables/composition_patients.csv", _panels.CONTRASTS),
    params=("composition",),
    draw=draw,
    claims=(
        "composition-treg",
        "composition-cd8",
        "composition-trend-anakinra",
        "composition-nt-none",
    ),
    caption="Share of each subset and lineage among day 7 CAR\u2212 T cells of unsorted samples, "
    "one dot per patient, CRS grade ≤ 1 and ≥ 2, bars at medians; none: comparator "
    "cohort, without anakinra. Exact two-sided Mann-Whitney U test; q by "
    "Benjamini-Hochberg over the subsets or the lineages, as many as the titles say; "
    "below, the same test by NT grade. Hollow: too few cells, not tested. Treatment "
    "before day 7 is confounded with grade.",
    note="Patients by CRS grade; none: no anakinra. Exact two-sided Mann-Whitney U test, one "
    "value per patient. Treatment before day 7 is confounded with grade.",
)
