from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._check import require
from cartscope.pl._style import colors

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes


def umap(adata: AnnData, *, color: str, ax: Axes, basis: str = k.obsm.umap) -> Axes:
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

    Returns
    -------
    The same ``ax``, with a legend of names and numbers of cells.

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
    names = pd.Categorical(adata.obs[color].astype(str))
    counts = pd.Series(names).value_counts()
    palette = colors(list(counts.index))
    # the order of the file would hide the types that come first
    order = np.random.default_rng(0).permutation(adata.n_obs)
    size = float(np.clip(12000 / max(adata.n_obs, 1), 0.15, 12))
    ax.scatter(
        points[order, 0],
        points[order, 1],
        c=[palette[n] for n in names[order]],
        s=size,
        linewidths=0,
        rasterized=True,
    )
    handles = [
        ax.scatter([], [], c=palette[n], s=14, linewidths=0, label=f"{n} ({counts[n]:,})")
        for n in counts.index
    ]
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    ax.set(xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[], aspect="equal")
    return ax
