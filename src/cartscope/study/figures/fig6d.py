"""Figure 6D: T cells by subset, in products and by CAR status at day 7."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._context import cell_artifact
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panel_tables, _panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the UMAP of T cells three times, the other T cells grey."""
    adata = ctx.cells("figure 6D")
    adata = adata[(adata.obs[k.obs.cell_type].astype(str) == "T").to_numpy()]
    if not adata.n_obs:
        msg = "no cell was called a T cell"
        raise NotDrawable(msg)
    columns = (k.obs.t_subset, k.obs.car_status, k.obs.timepoint)
    subset, car, timepoint = (_panel_tables.text_of(adata.obs, c) for c in columns)
    palette = _panels.subset_colors(ctx, subset)
    product = timepoint == k.timepoints.infusion_product
    day7 = timepoint == k.timepoints.day7
    panels = {
        "infusion product": product,
        "day 7, CAR+": day7 & (car == k.car.positive),
        "day 7, CAR\u2212": day7 & (car == k.car.negative),
    }
    figure, axes = plt.subplots(1, 3, figsize=(7.4, 2.6), layout="constrained")
    for ax, (title, among) in zip(axes, panels.items(), strict=True):
        pl.umap(adata, color=k.obs.t_subset, ax=ax, palette=palette, among=among, legend=False)
        ax.set_title(f"{title}\n{int(among.sum()):,} cells")
    handles = [axes[-1].scatter([], [], c=c, s=14, label=n) for n, c in palette.items()]
    axes[-1].legend(handles=handles, loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0.2)
    points = adata.obsm[k.obsm.umap]
    source = pd.DataFrame(
        {
            "cell": adata.obs_names,
            "umap_1": points[:, 0],
            "umap_2": points[:, 1],
            **dict(zip(columns, (subset, car, timepoint), strict=True)),
        }
    )
    return figure, source


FIGURE = FigureSpec(
    id="6D",
    title="T cells by subset and CAR status",
    needs=tuple(cell_artifact(s) for s in ("cluster", "annotate", "t_subsets", "car")),
    draw=draw,
    claims=("subset-dynamics",),
    caption="UMAP of the harmonised components, T cells only; colours: subsets by gene "
    "expression, grey: T cells of the other panels. CAR status is by detected CAR "
    "transcripts, so CAR\u2212 holds missed CAR T cells. Naive and TEMRA rest on gene "
    "counts, which do not tell CD45RA from CD45RO.",
    note="UMAP of harmonised components. CAR− by detected transcripts: holds missed CAR T "
    "cells. No test.",
)
