from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._check import require
from cartscope.pl._style import GREY, colors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes


def umap(
    adata: AnnData,
    *,
    color: str,
    ax: Axes,
    basis: str = k.obsm.umap,
    palette: Mapping[str, str] | None = None,
    among: np.ndarray | None = None,
    legend: bool = True,
) -> Axes:
    """Draw cells in two dimensions, coloured by a column of obs.

    Parameters
    ----------
    adata
        Cells with ``obsm[basis]``.
    color
        Categorical column of ``obs``.
    ax
        Axes to draw on.
    basis
        Key of ``obsm``.
    palette
        Colour by name, in the order of the legend; by number of cells if None.
    among
        One truth value per cell: the cells to colour; the others are a grey background.
    legend
        Whether to write a legend of names and numbers of cells.

    Returns
    -------
    The same ``ax``.

    Raises
    ------
    MissingKeyError
        If the embedding or the column is missing.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> from matplotlib.figure import Figure
    >>> a = anndata.AnnData(np.ones((2, 1)), obsm={"X_umap": np.zeros((2, 2))})
    >>> a.obs["cell_type"] = ["T", "NK"]
    >>> ax = cs.pl.umap(a, color="cell_type", ax=Figure().subplots())
    """
    require(adata, "obsm", basis, made_by="cartscope.pp.umap")
    require(adata, "obs", color, made_by="the step that makes it")
    points = np.asarray(adata.obsm[basis])
    shown = np.ones(adata.n_obs, bool) if among is None else np.asarray(among, bool)
    column = adata.obs[color].astype(object)
    names = column.where(column.notna(), "unknown").astype(str).to_numpy()
    counts = pd.Series(names[shown]).value_counts()
    shades = dict(palette) if palette is not None else colors(_grey_last(counts.index))
    size = float(np.clip(12000 / max(adata.n_obs, 1), 0.15, 12))
    dots = {"s": size, "linewidths": 0, "rasterized": True}
    if not shown.all():
        ax.scatter(*points[~shown].T, c="#E9EBED", zorder=1, **dots)
    # the order of the file would hide the types that come first
    order = np.random.default_rng(0).permutation(np.flatnonzero(shown))
    ax.scatter(*points[order].T, c=[shades.get(n, GREY) for n in names[order]], zorder=2, **dots)
    if legend:
        handles = [
            ax.scatter([], [], c=shade, s=14, linewidths=0, label=f"{n} ({counts.get(n, 0):,})")
            for n, shade in shades.items()
        ]
        ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    ax.set(xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
    # east: a box that shrinks toward its middle would leave the legend outside the page
    ax.set_aspect("equal", anchor="E")
    return ax


def _grey_last(names: pd.Index) -> list[str]:
    return sorted(names, key=lambda n: n in {k.UNASSIGNED, "unknown", ""})
