"""Figure S8A: cells of the infusion products, the myeloid-like ones among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt

from cartscope import _keys as k
from cartscope import pl
from cartscope.study._context import cell_artifact
from cartscope.study._model import FigureSpec, NotDrawable
from cartscope.study.panels import _panel_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

from cartscope.study._context import Context


def draw(ctx: Context) -> tuple[Figure, pd.DataFrame]:
    """Draw the UMAP of all cells, product cells coloured by type."""
    adata = ctx.cells("figure S8A")
    timepoint = _panel_tables.text_of(adata.obs, k.obs.timepoint)
    product = timepoint == k.timepoints.infusion_product
    if not product.any():
        msg = "no cell comes from an infusion product"
        raise NotDrawable(msg)
    figure, ax = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
    pl.umap(adata, color=k.obs.cell_type, ax=ax, among=product)
    ax.set_title(f"infusion products, {int(product.sum()):,} cells")
    points = adata.obsm[k.obsm.umap]
    source = pd.DataFrame(
        {
            "cell": adata.obs_names,
            "umap_1": points[:, 0],
            "umap_2": points[:, 1],
            "cell_type": adata.obs[k.obs.cell_type].astype(str).to_numpy(),
            "product": product,
        }
    )
    return figure, source


FIGURE = FigureSpec(
    id="S8A",
    title="Cells of infusion products",
    needs=(cell_artifact("cluster"), cell_artifact("annotate")),
    draw=draw,
    claims=("product-myeloid-clusters",),
    caption="UMAP of the harmonised components; colour: cells of infusion products by type, "
    "numbers of cells in brackets; grey: cells of other samples.",
    note="UMAP of harmonised components; distances between clusters mean little. No test.",
)
