from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope._rng import seed_for

if TYPE_CHECKING:
    from anndata import AnnData


def communities(
    graph: sparse.csr_matrix, *, resolution: float = 1.0, n_iterations: int = 2, seed: int = 0
) -> np.ndarray:
    """Return the Leiden community of every node, 0 being the largest.

    Parameters
    ----------
    graph
        Symmetric weights.
    resolution
        Higher values make more communities.
    n_iterations
        Rounds; below 0 until nothing improves.
    seed
        Seed.

    Returns
    -------
    Numbers from 0, by size; ties by the first node.
    """
    import random

    import igraph

    upper = sparse.triu(graph, k=1, format="coo")
    made = igraph.Graph(n=graph.shape[0], edges=np.column_stack([upper.row, upper.col]))
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = made.community_leiden(
            objective_function="modularity",
            weights=upper.data.astype(np.float64).tolist(),
            resolution=resolution,
            n_iterations=n_iterations,
        )
    finally:
        igraph.set_random_number_generator(random)
    labels = np.asarray(found.membership, dtype=np.int64)
    names, first, size = np.unique(labels, return_index=True, return_counts=True)
    rank = np.empty(names.size, dtype=np.int64)
    rank[np.lexsort((first, -size))] = np.arange(names.size)
    return rank[labels]


def leiden(
    adata: AnnData,
    *,
    resolution: float = 1.0,
    n_iterations: int = 2,
    key_added: str = k.obs.leiden,
    random_state: int = 0,
    copy: bool = False,
) -> AnnData | None:
    """Cluster the neighbour graph with the Leiden algorithm (igraph, modularity).

    Parameters
    ----------
    adata
        Cells after :func:`cartscope.pp.neighbors`.
    resolution
        Higher values make more clusters.
    n_iterations
        Rounds; below 0 until nothing improves.
    key_added
        Column of ``obs``.
    random_state
        Seed.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``obs[key_added]``, a category "0", "1", ... in order of size. Traag
    et al. 2019, doi 10.1038/s41598-019-41695-z.

    Raises
    ------
    MissingKeyError
        If neighbours have not been found.
    InputError
        If ``resolution`` is not above 0.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(obs={"sample": ["a"] * 60})
    >>> centers = np.repeat([[0.0, 0.0], [9.0, 9.0]], 30, axis=0)
    >>> adata.obsm["X_pca"] = centers + np.random.default_rng(0).normal(size=(60, 2))
    >>> cs.pp.neighbors(adata, n_neighbors=10, use_rep="X_pca")
    >>> cs.tl.leiden(adata, resolution=0.1)
    >>> adata.obs["leiden"].value_counts().tolist()
    [30, 30]
    """
    if copy:
        adata = adata.copy()
    if not resolution > 0:
        msg = f"resolution is {resolution}, but must be above 0."
        raise InputError(msg)
    require(adata, "obsp", k.obsp.connectivities, made_by="cs.pp.neighbors")
    labels = communities(
        sparse.csr_matrix(adata.obsp[k.obsp.connectivities]),
        resolution=resolution,
        n_iterations=n_iterations,
        seed=seed_for(random_state, "leiden"),
    )
    names = [str(i) for i in range(labels.max() + 1)]
    adata.obs[key_added] = pd.Categorical.from_codes(labels, categories=names)
    ours = adata.uns.setdefault(k.uns.cartscope, {})
    ours[key_added] = {
        "resolution": float(resolution),
        "n_iterations": int(n_iterations),
        "seed": int(random_state),
    }
    return adata if copy else None
