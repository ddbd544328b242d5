"""Figure 6C: all cells, by cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._context import cell_artifact
from cartscope.study._model import FigureSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cartscope.study._context import Context


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the UMAP of all cells."""
    adata = ctx.cells("figure 6C")
    figure, ax = plt.subplots(figsize=(5.0, 3.2), layout="constrained")
    pl.umap(adata, color=k.obs.cell_type, ax=ax)
    points = adata.obsm[k.obsm.umap]
    source = pd.DataFrame(
        {
            "cell": adata.obs_names,
            "umap_1": points[:, 0],
            "umap_2": points[:, 1],
            "cell_type": adata.obs[k.obs.cell_type].astype(str).to_numpy(),
        }
    )
    return figure, source


FIGURE = FigureSpec(
    id="6C",
    title="Cells by type",
    needs=(cell_artifact("cluster"), cell_artifact("annotate")),
    draw=draw,
    claims=("cell-types-found",),
    caption="UMAP of the harmonised components of all cells that passed quality control; types by"
    " markers, numbers of cells in brackets. Distances between clusters mean little.",
    note="UMAP of harmonised components; distances between clusters mean little. No test.",
)
