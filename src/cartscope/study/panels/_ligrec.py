"""Ligand-receptor results as the rows and columns of a dot plot, or patient by patient."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import pl, stats
from cartscope.study._model import NotDrawable
from cartscope.study.comparisons._groups import GROUP, REFERENCE, in_group
from cartscope.study.comparisons._ligrec_arms import ALL
from cartscope.study.comparisons._ligrec_candidates import TWICE
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from cartscope.study._context import Context

LIGREC = "tables/ligrec.csv"
PATIENTS = "tables/ligrec_patients.csv"
ARMS = "tables/ligrec_interaction.csv"
SAMPLES = "tables/samples.csv"
PRIMARY = "primary"
ALPHA = 0.1
SUBSET = "\u2020"  # marks the test without patients of studies that have one side only
LINE = 9  # letters of a population's name side by side
SIDES = {REFERENCE: "≤ 1", GROUP: "≥ 2"}


def dots(
    ctx: Context,
    contrasts: Mapping[str, str],
    *,
    pairs: Sequence[tuple[str, str, str]],
    targets: Sequence[str],
) -> pd.DataFrame:
    """Return one row per pair, contrast and target, tested or not.

    Parameters
    ----------
    ctx
        The run.
    contrasts
        Name of the rows by the contrast's id.
    pairs
        Ligand, receptor and sending population.
    targets
        Receiving populations.
    """
    labels = {n: p.label for n, p in ctx.manifests.contrasts.population.items()}
    every = results(ctx)
    rows, reasons = [], []
    for contrast, name in contrasts.items():
        try:
            _panels.result_rows(ctx, LIGREC, contrast)
        except NotDrawable as answer:
            reasons.append(str(answer))
            continue
        here = every[every["contrast"] == contrast]
        for ligand, receptor, source in pairs:
            chosen = (here["ligand"] == ligand) & (here["receptor"] == receptor)
            found = here[chosen & (here["source"] == source) & here["target"].isin(targets)]
            rows.append(found.assign(row=f"{ligand}\u2013{receptor} ({name})"))
    table = pd.concat(rows, ignore_index=True) if rows else every.head(0).assign(row="")
    if table.empty:
        reason = "; ".join(reasons) or "none of the pairs was scored"
        raise NotDrawable(reason)
    order = [t for t in targets if t in set(table["target"])]
    lines = {t: "\n".join(textwrap.wrap(labels[t], LINE)) for t in order}
    table["to"] = pd.Categorical([lines[t] for t in table["target"]], list(lines.values()))
    names = [f"{li}\u2013{r} ({n})" for li, r, _ in pairs for n in contrasts.values()]
    table["row"] = pd.Categorical(table["row"], list(dict.fromkeys(names)))
    # zero p does not exist in an exact test, so the logarithm is finite
    table["minus_log10_q"] = -np.log10(table["fdr"])
    columns = ["contrast", "source", "target", "ligand", "receptor", "n_group", "n_reference",
               "median_group", "median_reference", "log2_change", "u", "p_value", "fdr",
               "family", "family_size", "min_p", "reason"]  # fmt: skip
    columns += [c for c in ("candidates", "within", "n_alone") if c in table]
    return table[[*columns, "minus_log10_q", "to", "row"]]


def floor_note(ax: Axes, table: pd.DataFrame) -> None:
    """Write under a panel what its families of tests can show at all.

    Parameters
    ----------
    ax
        Axes to write under.
    table
        Rows with contrast, family, p_value, fdr, n_group, n_reference, family_size, min_p and
        candidates.
    """
    lines = []
    for (contrast, family), rows in table[table["p_value"].notna()].groupby(
        ["contrast", "family"], sort=False, dropna=False
    ):
        size, best = int(rows["family_size"].iloc[0]), float(rows["min_p"].min())
        n = [rows["n_group"].max(), rows["n_reference"].max()]
        within = next((w for w in rows.get("within", [""]) if isinstance(w, str) and w), "")
        # within strata the floor depends on who is compared where; the lowest there is stands
        untied = best if within else stats.smallest_p(*map(int, n))
        shown, alone = _panels.number(best), _panels.number(untied)
        tied = f" ({alone} without ties)" if best < untied and shown != alone else ""
        words = f"{family} " if family else ""
        where = f" within {within}" if within else ""
        space = "\n    " if within else " "
        lines.append(
            f"{contrast}: n = {n[0]} v {n[1]}{where}, {size:,} {words}tests,{space}"
            f"smallest attainable p = {shown}{tied}{_reach(untied, size)}"
        )
    lines += _rule(table)
    ax.set_xlabel("\n".join(lines), fontsize=5.5, color="#555555", loc="left")


def _reach(untied: float, size: int) -> str:
    """Say how far a family can get: one test alone, and what q < 0.1 takes."""
    if not size:
        return ""
    alone = _panels.number(stats.smallest_q(untied, size))
    needed = stats.n_at_floor_needed(untied, size, alpha=ALPHA)
    takes = "is out of reach" if needed is None else f"takes {needed:,} of them there"
    return f";\n    a test alone at its floor has q = {alone}, q < {ALPHA:g} {takes}"


def _rule(table: pd.DataFrame) -> list[str]:
    """Return the warning of pairs that were picked by looking, once."""
    if "candidates" not in table:
        return []
    picked = table["candidates"].astype(str) == TWICE
    return [f"pairs {TWICE}"] if picked.any() else []


def results(ctx: Context) -> pd.DataFrame:
    """Return the tests of every pair, each with the family that its q is of.

    Parameters
    ----------
    ctx
        The run.
    """
    table = _panels.read(ctx, LIGREC)
    return table if "family" in table else table.assign(family="")


def pair_strip(
    ctx: Context,
    arms: Mapping[str, str],
    *,
    pair: tuple[str, str, str],
    target: str,
    ax: Axes,
    below: Mapping[str, str],
    differ: str = "",
    triangles: str = "",
) -> pd.DataFrame:
    """Draw the scores of one pair from one population to another, and their tests.

    Parameters
    ----------
    ctx
        The run.
    arms
        Id of the contrast by the arm's name.
    pair
        Ligand, receptor and sending population.
    target
        Receiving population.
    ax
        Axes to draw on.
    below
        Id of the contrasts whose tests are written below, by what to call them.
    differ
        Id of the contrast that asks whether the arms differ, written below as well.
    triangles
        Id of an outcome; patients in its group are drawn as triangles.

    Returns
    -------
    What was drawn, one row per patient, none if no patient has the pair; zeros are hollow, and
    what is not estimable is hollow below zero.
    """
    ligand, receptor, source = pair

    def of(table: pd.DataFrame, contrast: str) -> pd.DataFrame:
        here = table[table["contrast"] == contrast]
        chosen = (here["ligand"] == ligand) & (here["receptor"] == receptor)
        chosen &= (here["source"] == source) & (here["target"] == target)
        return here[chosen].copy()

    parts, order, palette, tests, compared = [], [], {}, {}, []
    for arm, contrast in arms.items():
        scores, rows = of(_panels.read(ctx, PATIENTS), contrast), of(results(ctx), contrast)
        names = {side: f"{text}\n{arm}" for side, text in SIDES.items()}
        ends = names[REFERENCE], names[GROUP]
        order += ends
        palette |= dict(zip(ends, (pl.REFERENCE, pl.GROUP), strict=True))
        tests[ends] = _say(rows)
        compared += [f"{arm}: {_panels.within(row)}" for _, row in rows.head(1).iterrows()
                     if _panels.within(row)]  # fmt: skip
        for column, none in {
            "p_value": np.nan,
            "fdr": np.nan,
            "family": "",
            "family_size": 0,
            "candidates": "",
        }.items():
            scores[column] = rows[column].iloc[0] if len(rows) and column in rows else none
        scores = scores[scores["side"].isin(list(SIDES))]
        parts.append(scores.assign(arm=arm, column=scores["side"].map(names)))
    table = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    if table.empty:
        ax.text(0.5, 0.5, "not scored", transform=ax.transAxes, ha="center", fontsize=6)
        return table.drop(columns="column")
    top = 1.04 * max(table["score"].max(skipna=True), 0.01) if table["score"].notna().any() else 1
    if not ax.get_autoscaley_on():  # shared with a panel drawn before
        top = max(top, ax.get_ylim()[1])
    under = -0.07 * top
    ax.set_ylim(1.6 * under, top)
    # what cannot be estimated has no place on the scale
    drawn = table.assign(height=table["score"].fillna(under), counted=table["score"].notna())
    pl.strip(drawn, x="column", y="height", ax=ax, order=order, palette=palette, filled="counted",
             tests=tests)  # fmt: skip
    _hollow_zeros(ax)
    outcome = ctx.manifests.contrasts.outcome.get(triangles)
    if outcome is not None:
        high = in_group(_panels.read(ctx, SAMPLES), outcome)
        drawn[triangles] = table[triangles] = table["patient"].astype(str).isin(high)
        _shape(ax, [drawn.loc[drawn["column"] == c, triangles].to_numpy() for c in order])
    texts = [t.get_text().split("\n") for t in ax.get_xticklabels()]
    n = [f"{first}\n({last.removeprefix('n = ')})" for first, *_, last in texts]
    ax.set_xticks(range(len(order)), n)
    lines = [f"{n}: {_say(of(results(ctx), c)).replace(chr(10), ', ')}" for n, c in below.items()]
    lines = [*compared, *lines]
    if differ:
        lines += _arms_differ(of(_panels.read(ctx, ARMS), differ))
    _name_arms(ax, list(arms), note="\n".join(lines))
    return table.drop(columns="column")


def _say(rows: pd.DataFrame) -> str:
    tested = rows[rows["p_value"].notna()]
    if tested.empty:
        return "not tested"
    # within what stands below: three lines over a bracket would cover its neighbour
    return _panels.say_p(tested.iloc[0].drop("within", errors="ignore"), family=False)


def _arms_differ(rows: pd.DataFrame) -> list[str]:
    """Say the interaction of all patients, and without studies that have one side only."""
    tested = rows[rows["p_value"].notna()]
    if tested.empty:
        return ["arms differ: not tested"]
    p = [f"{_panels.number(p)}{SUBSET if of != ALL else ''}" for p, of in
         zip(tested["p_value"], tested["patients"], strict=True)]  # fmt: skip
    return [f"arms differ: p = {', '.join(p)}"]


def _shape(ax: Axes, triangles: Sequence[np.ndarray]) -> None:
    """Draw the marked dots of each column as triangles."""
    from matplotlib.collections import PathCollection
    from matplotlib.markers import MarkerStyle

    path = {m: MarkerStyle(m).get_path().transformed(MarkerStyle(m).get_transform()) for m in "o^"}
    columns = [c for c in ax.collections if isinstance(c, PathCollection)]
    for dots, marked in zip(columns, triangles, strict=True):
        dots.set_paths([path["^" if m else "o"] for m in marked])


def _hollow_zeros(ax: Axes) -> None:
    for dots in ax.collections:
        heights = np.asarray(dots.get_offsets())[:, 1]
        faces = dots.get_facecolors()
        if len(faces) == len(heights):  # dots, not bars
            faces[heights == 0, 3] = 0
            dots.set_facecolors(faces)


def _name_arms(ax: Axes, arms: Sequence[str], *, note: str) -> None:
    """Write each arm once under its two sides, and a note under all."""
    below = ax.secondary_xaxis(0)
    # two lines of the first axis come first
    below.set_xticks([2 * i + 0.5 for i in range(len(arms))], [f"\n\n{a}" for a in arms])
    below.tick_params(axis="x", length=0, labelsize=6.5, pad=7)
    below.set_xlabel(note, fontsize=5.5)
    below.spines["bottom"].set_visible(False)
