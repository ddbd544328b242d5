"""SIMULATED cells for this room: negative-binomial counts of four types in three libraries."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

N_TYPES = 4


def simulate(
    n_cells: int = 900, n_genes: int = 500, seed: int = 0, batch_effect: float = 0.0
) -> ad.AnnData:
    """Counts with known types, libraries and patients; MT-, HBB, sex genes have names."""
    rng = np.random.default_rng(seed)
    # the profiles belong to the types, whatever the seed of the cells
    shape = np.random.default_rng(99).gamma(0.4, 1.0, (N_TYPES, n_genes))
    profile = shape / shape.sum(axis=1, keepdims=True)
    kind = rng.integers(0, N_TYPES, n_cells)
    sample = rng.integers(0, 3, n_cells)
    shift = np.exp(batch_effect * np.random.default_rng(98).normal(size=(3, n_genes)))
    depth = rng.lognormal(7.6, 0.3, n_cells)
    mean = profile[kind] * shift[sample] * depth[:, None]
    counts = rng.poisson(mean * rng.gamma(4.0, 0.25, mean.shape)).astype(np.uint16)
    names = [f"GENE{i}" for i in range(n_genes)]
    names[:6] = ["MT-CO1", "mt-Nd1", "HBB", "XIST", "RPS4Y1", "TRBV28"]
    counts[:, 2] = 0
    names = np.array(names)
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical([f"s{i + 1}" for i in sample]),
            "patient": pd.Categorical(["p1" if i == 0 else "p2" for i in sample]),
            "kind": pd.Categorical([f"type{i}" for i in kind]),
            "crs_grade": np.where(sample == 0, 1.0, 3.0),
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    adata = ad.AnnData(
        sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=pd.Index(names, dtype=object))
    )
    adata.layers["counts"] = adata.X.copy()
    return adata


@pytest.fixture
def cells() -> ad.AnnData:
    return simulate()


@pytest.fixture
def make_cells():
    return simulate


@pytest.fixture(scope="session")
def _embedded() -> ad.AnnData:
    import cartscope as cs

    adata = simulate(batch_effect=0.4)
    cs.pp.normalize(adata)
    cs.pp.variable_genes(adata, n_top=200)
    cs.pp.pca(adata, n_comps=12)
    cs.pp.harmony(adata, "sample")
    cs.pp.neighbors(adata, n_neighbors=10)
    return adata


@pytest.fixture
def embedded(_embedded) -> ad.AnnData:
    return _embedded.copy()
