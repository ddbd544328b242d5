from __future__ import annotations

import random

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError


@pytest.fixture
def clustered(rng) -> ad.AnnData:
    kind = rng.choice(4, 600, p=[0.4, 0.3, 0.2, 0.1])
    points = rng.normal(size=(4, 8))[kind] * 6 + rng.normal(size=(600, 8))
    obs = pd.DataFrame({"kind": kind}, index=[f"c{i}" for i in range(600)])
    adata = ad.AnnData(obs=obs, obsm={"X_pca": points.astype(np.float32)})
    cs.pp.neighbors(adata, use_rep="X_pca")
    return adata


def test_finds_the_clusters(clustered):
    cs.tl.leiden(clustered, resolution=0.1)
    assert adjusted_rand_score(clustered.obs["kind"], clustered.obs["leiden"]) > 0.98


def test_clusters_are_numbered_by_size(clustered):
    cs.tl.leiden(clustered, resolution=1.0)
    sizes = clustered.obs["leiden"].value_counts(sort=False)
    assert list(sizes.index) == [str(i) for i in range(len(sizes))]
    assert (np.diff(sizes.to_numpy()) <= 0).all()


def test_the_same_seed_gives_the_same_clusters_and_leaves_randomness_alone(clustered):
    random.seed(5)
    state = random.getstate()
    cs.tl.leiden(clustered, resolution=2.0, key_added="one")
    assert random.getstate() == state
    cs.tl.leiden(clustered, resolution=2.0, key_added="two")
    assert (clustered.obs["one"] == clustered.obs["two"]).all()


def test_modularity_is_as_good_as_scanpys(clustered):
    import igraph
    import scanpy as sc
    from scipy import sparse

    sc.tl.leiden(
        clustered, key_added="sc", flavor="igraph", n_iterations=2, directed=False, random_state=0
    )
    cs.tl.leiden(clustered, key_added="cs")
    upper = sparse.triu(clustered.obsp["connectivities"], k=1, format="coo")
    graph = igraph.Graph(n=600, edges=np.column_stack([upper.row, upper.col]))
    weight = upper.data.tolist()
    ours, theirs = (
        graph.modularity(clustered.obs[key].cat.codes.tolist(), weights=weight)
        for key in ("cs", "sc")
    )
    assert ours > theirs - 0.01


def test_copy(clustered):
    out = cs.tl.leiden(clustered, copy=True)
    assert "leiden" in out.obs
    assert "leiden" not in clustered.obs


def test_errors(clustered):
    with pytest.raises(InputError, match="resolution is 0, but must be above 0"):
        cs.tl.leiden(clustered, resolution=0)
    del clustered.obsp["connectivities"]
    with pytest.raises(MissingKeyError, match=r"run cs.pp.neighbors first"):
        cs.tl.leiden(clustered)
