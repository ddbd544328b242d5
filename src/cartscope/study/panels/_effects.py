"""The panel that two figures share: effects in one arm against effects in the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cartscope import pl
from cartscope.study._model import NotDrawable
from cartscope.study.panels import _panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from cartscope.study._context import Context

DE = "tables/de.csv"


def draw_two_arms(
    ctx: Context,
    contrasts: tuple[str, str],
    *,
    interaction: str | None,
    genes: Sequence[str],
    alpha: float,
) -> tuple[Figure, pd.DataFrame]:
    """Draw log2 fold changes with anakinra (x) against without (y).

    Parameters
    ----------
    ctx
        The run.
    contrasts
        Ids: with anakinra, without.
    interaction
        Id of the contrast between the two effects, if there is one.
    genes
        Genes to name.
    alpha
        FDR below which a gene is coloured.

    Returns
    -------
    The figure and one row per gene tested in both arms.
    """
    from matplotlib import pyplot as plt

    arms = [_panels.result_rows(ctx, DE, c).set_index("gene") for c in contrasts]
    columns = ["log2_fc", "se", "p_value", "fdr"]
    table = arms[0][columns].join(
        arms[1][columns], how="inner", lsuffix="_anakinra", rsuffix="_no_anakinra"
    )
    if table.empty:
        msg = f"no gene was tested in both {contrasts[0]} and {contrasts[1]}"
        raise NotDrawable(msg)
    passes = table[["fdr_anakinra", "fdr_no_anakinra"]].to_numpy() < alpha
    classes = [f"q ≥ {alpha:g} in both", "no anakinra only", "anakinra only", "both"]
    table["significant"] = np.select(
        [passes.all(axis=1), passes[:, 0], passes[:, 1]], classes[:0:-1], classes[0]
    )
    triangle = None
    if interaction is not None:
        try:
            between = _panels.result_rows(ctx, DE, interaction).set_index("gene")["fdr"]
        except NotDrawable:
            pass
        else:
            triangle = f"arms differ, q < {alpha:g}"
            table["fdr_difference"] = between.reindex(table.index)
            table[triangle] = (table["fdr_difference"] < alpha).to_numpy()
    n = [_panels.say_n(_panels.profiled(ctx, c)) for c in contrasts]
    group, reference = _panels.sides(ctx, contrasts[0])
    x, y = f"log$_2$ FC, anakinra ({n[0]})", f"log$_2$ FC, no anakinra ({n[1]})"
    drawn = table.rename(columns={"log2_fc_anakinra": x, "log2_fc_no_anakinra": y})
    figure, ax = plt.subplots(figsize=(5.4, 3.9), layout="constrained")
    ax.set_title(f"{group} against {reference}")
    shades = (pl.GREY, pl.PALETTE[4], pl.PALETTE[1], pl.PALETTE[7])
    pl.effect_scatter(
        drawn, x=x, y=y, color="significant", ax=ax, triangle=triangle,
        palette=dict(zip(classes, shades, strict=True)), label={g: g for g in genes},
    )  # fmt: skip
    absent = [g for g in genes if g not in table.index]
    if absent:
        ax.text(0.01, 0.99, "not tested in both arms:\n" + _in_lines(absent), fontsize=5.5,
                transform=ax.transAxes, va="top", color="#555555")  # fmt: skip
    source = table.reset_index()
    if triangle is not None:
        source = source.rename(columns={triangle: "arms_differ"})
    return figure, source


def _in_lines(names: Sequence[str], width: int = 30) -> str:
    from textwrap import fill

    return fill(", ".join(names), width)
