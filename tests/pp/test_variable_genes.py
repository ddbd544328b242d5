from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import cartscope as cs
from cartscope._errors import InputError
from cartscope.pp._variable_genes import group_moments


@pytest.fixture
def normalized(cells):
    cs.pp.normalize(cells)
    return cells


def scanpys(adata, **arguments):
    import scanpy as sc

    other = ad.AnnData(adata.X.copy(), obs=adata.obs[["sample"]].copy(), var=adata.var[[]].copy())
    sc.pp.highly_variable_genes(other, flavor="seurat", **arguments)
    return other.var


@pytest.mark.parametrize("batch_key", ["sample", None])
def test_same_genes_as_scanpy(normalized, batch_key):
    theirs = scanpys(normalized, n_top_genes=100, batch_key=batch_key)
    cs.pp.variable_genes(normalized, n_top=100, batch_key=batch_key)
    ours = normalized.var
    assert set(ours.index[ours["highly_variable"]]) == set(theirs.index[theirs["highly_variable"]])
    np.testing.assert_allclose(ours["means"], theirs["means"], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(
        ours["dispersions_norm"].astype(float),
        theirs["dispersions_norm"].astype(float),
        rtol=1e-3,
        atol=1e-4,
    )


def test_same_genes_as_scanpy_within_limits(normalized):
    limits = (0.5, 3.0, 0.2)
    theirs = scanpys(
        normalized, batch_key="sample", min_mean=limits[0], max_mean=limits[1], min_disp=limits[2]
    )
    cs.pp.variable_genes(normalized, method="published", limits=limits)
    chosen = normalized.var["highly_variable"]
    assert chosen.sum() > 5
    np.testing.assert_array_equal(chosen, theirs["highly_variable"])


def test_excluded_genes_are_out_of_everything(normalized):
    blacklist = ["XIST", "TR.V.*", "mt-Nd1"]
    cs.pp.variable_genes(normalized, n_top=100, exclude=blacklist)
    var = normalized.var
    assert set(var.index[var["clustering_excluded"]]) == {"XIST", "TRBV28", "mt-Nd1"}
    assert not (var["clustering_excluded"] & var["highly_variable"]).any()
    rest = normalized[:, ~var["clustering_excluded"].to_numpy()].copy()
    cs.pp.variable_genes(rest, n_top=100)
    assert set(rest.var_names[rest.var["highly_variable"]]) == set(
        var.index[var["highly_variable"]]
    )


def test_moments_per_group_equal_numpys(normalized):
    codes = normalized.obs["sample"].cat.codes.to_numpy().astype(np.int64)
    mean, variance, present = group_moments(normalized.X, codes, 3)
    dense = np.expm1(normalized.X.toarray().astype(np.float64))
    for code in range(3):
        own = dense[codes == code]
        np.testing.assert_allclose(mean[code], own.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(variance[code], own.var(axis=0, ddof=1), rtol=1e-4)
        np.testing.assert_array_equal(present[code], (own > 0).sum(axis=0))


def test_same_bytes_with_any_number_of_threads(normalized, monkeypatch):
    monkeypatch.setattr("cartscope.pp._variable_genes._BLOCK", 100)
    codes = normalized.obs["sample"].cat.codes.to_numpy().astype(np.int64)
    one = group_moments(normalized.X, codes, 3, n_jobs=1)
    three = group_moments(normalized.X, codes, 3, n_jobs=3)
    for a, b in zip(one, three, strict=True):
        np.testing.assert_array_equal(a, b)


def test_order_of_cells_and_genes_does_not_matter(normalized, rng):
    cs.pp.variable_genes(normalized, n_top=100)
    other = normalized[rng.permutation(normalized.n_obs), rng.permutation(normalized.n_vars)].copy()
    cs.pp.variable_genes(other, n_top=100)
    chosen = other.var["highly_variable"].reindex(normalized.var_names)
    np.testing.assert_array_equal(chosen, normalized.var["highly_variable"])


def test_a_library_of_one_cell_is_left_out(normalized):
    normalized.obs["sample"] = normalized.obs["sample"].cat.add_categories("tiny")
    normalized.obs.iloc[0, normalized.obs.columns.get_loc("sample")] = "tiny"
    cs.pp.variable_genes(normalized, n_top=100)
    assert np.isfinite(normalized.var["dispersions_norm"].dropna()).all()
    assert normalized.var["highly_variable"].sum() == 100


def test_errors(cells):
    with pytest.raises(InputError, match=r"holds integers; run cs.pp.normalize"):
        cs.pp.variable_genes(cells)
    cs.pp.normalize(cells)
    with pytest.raises(InputError, match="n_top is 2000, but only 500 genes"):
        cs.pp.variable_genes(cells)
    with pytest.raises(InputError, match="method is 'seurat_v3', but must be one of"):
        cs.pp.variable_genes(cells, method="seurat_v3")
    cells.obs["sample"] = cells.obs["sample"].where(np.arange(cells.n_obs) > 0)
    with pytest.raises(InputError, match="is missing for 1 cells"):
        cs.pp.variable_genes(cells, n_top=10)
