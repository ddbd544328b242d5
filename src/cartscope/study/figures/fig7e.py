"""Figure 7E: scores of the named ligand-receptor pairs in each patient, arm beside arm."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.comparisons._ligrec_arms import ALL
from cartscope.study.comparisons._ligrec_candidates import TWICE
from cartscope.study.panels import _panels
from cartscope.study.panels._ligrec import ARMS as ARMS_TABLE
from cartscope.study.panels._ligrec import LIGREC, PATIENTS, SAMPLES, SUBSET, pair_strip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

ARMS = {"anakinra": "ligrec_crs_anakinra", "no anakinra": "ligrec_crs_no_anakinra"}
BY_NT = {"by NT": "ligrec_nt_anakinra"}
DIFFER = "ligrec_crs_interaction"
WRAP = 32  # letters that fit where a panel is free


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw one row per pair and one column per receiving population."""
    named = ctx.manifests.ligand_receptor.pair
    labels = {n: p.label for n, p in ctx.manifests.contrasts.population.items()}
    targets = list(dict.fromkeys(t for p in named for t in p.targets))
    arms = _arms_with_results(ctx)
    figure, axes = plt.subplots(
        len(named), len(targets), figsize=(7.6, 0.3 + 2.1 * len(named)), layout="constrained",
        sharey="row", squeeze=False,
    )  # fmt: skip
    parts, free = [], []
    for row, p in zip(axes, named, strict=True):
        text = f"{p.ligand}\u2013{p.receptor}\nscore from {labels[p.source]}"
        for ax, target in zip(row, targets, strict=True):
            if target not in p.targets:
                ax.set_axis_off()
                free.append(ax)
                continue
            drawn = pair_strip(ctx, arms, pair=(p.ligand, p.receptor, p.source), target=target,
                               ax=ax, below=BY_NT, differ=DIFFER, triangles="nt")  # fmt: skip
            parts.append(drawn)
            ax.set_ylabel(text)
            text = ""  # once per row
            ax.set_title(f"to {labels[target]}", fontsize=7)
            ax.tick_params(axis="x", labelsize=6)
    table = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    if table.empty:
        plt.close(figure)
        msg = "no patient has both populations of a named pair"
        raise NotDrawable(msg)
    arms_differ = _panels.read(ctx, ARMS_TABLE)
    arms_differ = arms_differ[arms_differ["contrast"] == DIFFER]
    lines = [*_families(table), *_interaction(arms_differ)]
    (free[0] if free else axes[0, -1]).text(
        0.02, 0.98, "\n".join(lines), transform=(free[0] if free else axes[0, -1]).transAxes,
        va="top", fontsize=6, color="#555555",
    )  # fmt: skip
    return figure, _with_interaction(table, arms_differ)


def _arms_with_results(ctx: Context) -> dict[str, str]:
    arms, reasons = {}, []
    for arm, contrast in ARMS.items():
        try:
            _panels.result_rows(ctx, LIGREC, contrast)
        except NotDrawable as answer:
            reasons.append(str(answer))
        else:
            arms[arm] = contrast
    if not arms:
        raise NotDrawable("; ".join(reasons))
    return arms


def _families(table: pd.DataFrame) -> list[str]:
    lines = ["q corrects for"]
    for arm, rows in table[table["p_value"].notna()].groupby("arm", sort=False):
        one = rows.iloc[0]
        lines.append(f"{one['family_size']:.0f} {one['family']} tests ({arm})".replace("  ", " "))
    if "candidates" in table and (table["candidates"] == TWICE).any():
        lines += textwrap.wrap(f"pairs {TWICE}", WRAP)
    return lines


def _interaction(rows: pd.DataFrame) -> list[str]:
    """Say what the p of the arms' difference is, and what it cannot say."""
    tested = rows[rows["p_value"].notna()]
    if tested.empty:
        reason = next((r for r in rows["reason"] if r), "no result")
        return ["", *textwrap.wrap(f"arms differ: {reason}", WRAP)]
    text = (
        f"arms differ: interaction of CRS and arm, {tested['family_size'].max()} tests, p "
        f"unadjusted; smallest attainable p = {_panels.number(tested['min_p'].min())}"
    )
    lines = ["", *textwrap.wrap(text, WRAP)]
    if (tested["patients"] != ALL).any():
        lines += textwrap.wrap(f"{SUBSET} patients of a study and arm with both grades", WRAP)
    caveat = next((c for c in rows["caveat"] if c), "")
    return [*lines, *textwrap.wrap(caveat.partition(":")[0], WRAP)]


def _with_interaction(table: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Add the interaction's p of all patients to the source data."""
    keys = ["source", "target", "ligand", "receptor"]
    one = rows[rows["patients"] == ALL].set_index(keys)["p_value"].rename("p_arms_differ")
    return table.join(one, on=keys)


FIGURE = FigureSpec(
    id="7E",
    title="Scores of ligands of CD14 monocytes and receptors in each patient",
    needs=(LIGREC, PATIENTS, ARMS_TABLE, SAMPLES, _panels.CONTRASTS),
    draw=draw,
    claims=("lr-cxcl10", "lr-retn-cap1"),
    caption="Scores of the named pairs at day 7, one dot per patient, CRS grade ≤ 1 and ≥ 2, bars "
    "at medians; triangles: NT grade ≥ 2. Hollow on the zero line: ligand or receptor not seen, "
    "the score is zero and is counted; hollow below it: too few cells, not estimable and not "
    "counted. Exact two-sided Mann-Whitney U test within each arm, "
    "within study where it says so; q by Benjamini-Hochberg over "
    "the named pairs between all populations, a family of their own (preset published: over all "
    "candidates); below, by NT grade, anakinra. "
    "Arms differ: interaction of CRS grade and arm on aligned ranks, residuals of the additive "
    "model permuted within arms. In brackets: patients counted.",
    note="Patients by CRS grade; triangles: NT grade ≥ 2. Exact two-sided Mann-Whitney U test, "
    "within study where it says so, one "
    "value per patient. Hollow: a score of zero; hollow below zero: not estimable.",
)
