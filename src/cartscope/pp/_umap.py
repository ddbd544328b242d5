from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope._rng import seed_for
from cartscope.pp._core import record, target
from cartscope.pp._umap_layout import layout

if TYPE_CHECKING:
    from anndata import AnnData

_EXTENT = 10.0


def umap(
    adata: AnnData,
    *,
    init: str = k.obsm.harmony,
    min_dist: float = 0.5,
    n_epochs: int | None = None,
    key_added: str = k.obsm.umap,
    random_state: int = 0,
    n_jobs: int = 1,
    copy: bool = False,
) -> AnnData | None:
    """Lay the neighbour graph out in two dimensions with UMAP.

    Starts from the first two components, which keeps the large-scale order of the cells and saves
    the spectral start. The layout is our own compiled one: as faithful as umap-learn's, but the
    same for any number of threads (McInnes et al. 2018, arXiv 1802.03426).

    Parameters
    ----------
    adata
        Cells after :func:`neighbors`.
    init
        Key in ``obsm`` whose first two columns are the start.
    min_dist
        How close cells may lie, in units of the plot.
    n_epochs
        Rounds; 200 above 10,000 cells and 500 below when None.
    key_added
        Key in ``obsm``.
    random_state
        Seed.
    n_jobs
        Threads; the result is the same for any number.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``obsm[key_added]`` (cells x 2, float32, no unit).

    Raises
    ------
    MissingKeyError
        If :func:`neighbors` has not been run, or ``init`` is absent.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(obs={"sample": ["a"] * 50})
    >>> adata.obsm["X_pca"] = np.random.default_rng(0).normal(size=(50, 5))
    >>> cs.pp.neighbors(adata, n_neighbors=5, use_rep="X_pca")
    >>> cs.pp.umap(adata, init="X_pca", n_epochs=5)
    >>> adata.obsm["X_umap"].shape
    (50, 2)
    """
    adata = target(adata, copy=copy)
    require(adata, "obsp", k.obsp.connectivities, made_by="cs.pp.neighbors")
    require(adata, "obsm", init, made_by="cs.pp.pca or cs.pp.harmony")
    start = np.asarray(adata.obsm[init], dtype=np.float64)[:, :2]
    if start.shape[1] < 2:  # noqa: PLR2004
        msg = f"adata.obsm[{init!r}] has one component, but UMAP starts from two."
        raise InputError(msg)
    start = start - start.mean(axis=0)
    extent = np.abs(start).max()
    start = (_EXTENT * start / (extent if extent > 0 else 1.0)).astype(np.float32)
    adata.obsm[key_added] = layout(
        sparse.csr_matrix(adata.obsp[k.obsp.connectivities]),
        start,
        min_dist=min_dist,
        n_epochs=n_epochs,
        seed=seed_for(random_state, "umap"),
        n_jobs=n_jobs,
    )
    parameters = {"init": init, "min_dist": float(min_dist), "seed": int(random_state)}
    record(adata, "umap", parameters | {"n_epochs": n_epochs})
    return adata if copy else None
