from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pytest

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError


@pytest.fixture
def ready(cells):
    cs.pp.qc(cells)
    cs.pp.normalize(cells)
    cs.pp.variable_genes(cells, n_top=200)
    return cells


@pytest.mark.parametrize(
    ("regress", "scale_max"),
    [([], None), ([], 3.0), (["total_counts", "pct_counts_mt"], 3.0)],
)
def test_equals_regress_out_scale_and_pca_of_scanpy(ready, regress, scale_max):
    import scanpy as sc

    chosen = ready.var["highly_variable"].to_numpy()
    other = ad.AnnData(ready.X[:, chosen].astype(np.float64), obs=ready.obs.copy())
    other.X = other.X.toarray()
    if regress:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numba on scanpy's own product
            sc.pp.regress_out(other, regress)
    if scale_max is not None:
        sc.pp.scale(other, max_value=scale_max)
    sc.pp.pca(other, n_comps=20, svd_solver="full")
    cs.pp.pca(ready, n_comps=20, regress=regress, scale_max=scale_max)
    np.testing.assert_allclose(
        ready.uns["pca"]["variance"], other.uns["pca"]["variance"], rtol=1e-5
    )
    np.testing.assert_allclose(
        ready.uns["pca"]["variance_ratio"], other.uns["pca"]["variance_ratio"], rtol=1e-5
    )
    ours, theirs = ready.obsm["X_pca"], other.obsm["X_pca"]
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, atol=2e-3)


def test_all_fifty_components_span_what_scanpys_do(make_cells):
    import scanpy as sc
    from scipy.linalg import subspace_angles

    cells = make_cells(n_cells=600, seed=3)
    cs.pp.normalize(cells)
    cs.pp.variable_genes(cells, n_top=300)
    cs.pp.pca(cells, n_comps=50)
    chosen = cells.var["highly_variable"].to_numpy()
    other = ad.AnnData(cells.X[:, chosen].toarray().astype(np.float64))
    sc.pp.scale(other, max_value=10)
    sc.pp.pca(other, n_comps=50, svd_solver="full")
    angles = subspace_angles(cells.varm["PCs"][chosen], other.varm["PCs"])
    assert np.degrees(angles.max()) < 0.1


def test_loadings_and_scores_belong_together(ready):
    cs.pp.pca(ready, n_comps=10, scale_max=None)
    dense = ready.X.toarray().astype(np.float64)
    expected = (dense - dense.mean(axis=0)) @ ready.varm["PCs"]
    np.testing.assert_allclose(ready.obsm["X_pca"], expected, atol=1e-3)
    assert not ready.varm["PCs"][~ready.var["highly_variable"].to_numpy()].any()


def test_the_largest_loading_is_positive(ready):
    cs.pp.pca(ready, n_comps=10)
    loadings = ready.varm["PCs"]
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(10)]
    assert (largest > 0).all()


def test_same_bytes_with_any_number_of_threads(ready, monkeypatch):
    monkeypatch.setattr("cartscope.pp._pca._BLOCK", 128)
    cs.pp.pca(ready, n_comps=10, n_jobs=1, key_added="one")
    cs.pp.pca(ready, n_comps=10, n_jobs=3, key_added="three")
    np.testing.assert_array_equal(ready.obsm["one"], ready.obsm["three"])


def test_never_more_dense_than_a_block(ready, monkeypatch):
    seen = []
    real = np.zeros

    def watched(shape, *args, **kwargs):
        seen.append(int(np.prod(shape)))
        return real(shape, *args, **kwargs)

    monkeypatch.setattr("cartscope.pp._pca._BLOCK", 64)
    monkeypatch.setattr("cartscope.pp._pca.np.zeros", watched)
    cs.pp.pca(ready, n_comps=5)
    assert max(seen) <= max(64 * 200, 200 * 200, ready.n_vars * 5)


def test_a_gene_without_variance_does_no_harm(ready):
    ready.var.loc["HBB", "highly_variable"] = True  # no counts at all
    cs.pp.pca(ready, n_comps=5)
    assert np.isfinite(ready.obsm["X_pca"]).all()


def test_errors(cells, ready):
    with pytest.raises(InputError, match=r"n_comps is 500.*variable genes \(200\)"):
        cs.pp.pca(ready, n_comps=500)
    with pytest.raises(MissingKeyError, match=r"total_count'.*Did you mean 'total_counts'"):
        cs.pp.pca(ready, regress=["total_count"])
    with pytest.raises(InputError, match="only numbers can be regressed out"):
        cs.pp.pca(ready, regress=["kind"])
    ready.obs["holes"] = np.where(np.arange(ready.n_obs) == 3, np.nan, 1.0)
    with pytest.raises(InputError, match="has missing values"):
        cs.pp.pca(ready, regress=["holes"])
    with pytest.raises(InputError, match="n_jobs is 0"):
        cs.pp.pca(ready, n_comps=5, n_jobs=0)
    del ready.var["highly_variable"]
    with pytest.raises(MissingKeyError, match=r"run cs.pp.variable_genes first"):
        cs.pp.pca(ready)
