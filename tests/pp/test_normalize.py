from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError


def test_equals_scanpy(cells):
    import scanpy as sc

    other = ad.AnnData(cells.layers["counts"].astype(np.float32))
    sc.pp.normalize_total(other, target_sum=1e4)
    sc.pp.log1p(other)
    cs.pp.normalize(cells)
    assert cells.X.dtype == np.float32
    np.testing.assert_allclose(cells.X.toarray(), other.X.toarray(), rtol=2e-6)


def test_no_second_copy_of_the_indices(cells):
    cs.pp.normalize(cells)
    counts = cells.layers["counts"]
    assert np.shares_memory(cells.X.indices, counts.indices)
    assert np.shares_memory(cells.X.indptr, counts.indptr)


def test_64_bit_indices_are_shared_too(cells):
    counts = cells.layers["counts"]
    counts.indices = counts.indices.astype(np.int64)
    counts.indptr = counts.indptr.astype(np.int64)
    cs.pp.normalize(cells)
    assert np.shares_memory(cells.X.indices, cells.layers["counts"].indices)


def test_a_second_call_changes_nothing(cells):
    cs.pp.normalize(cells)
    once = cells.X.copy()
    cs.pp.normalize(cells)
    np.testing.assert_array_equal(cells.X.data, once.data)


def test_counts_in_x_are_moved():
    counts = np.array([[1, 3], [0, 2]])
    adata = ad.AnnData(counts.copy())
    cs.pp.normalize(adata, target_sum=100)
    np.testing.assert_array_equal(adata.layers["counts"].toarray(), counts)
    np.testing.assert_allclose(np.expm1(adata.X.toarray()), [[25, 75], [0, 100]], rtol=1e-6)


def test_counts_stay_integers_and_unchanged(cells):
    before = cells.layers["counts"].copy()
    cs.pp.normalize(cells)
    after = cells.layers["counts"]
    assert after.dtype.kind == "u"
    assert (after != before).nnz == 0


def test_excluded_genes_do_not_count_towards_the_total():
    adata = ad.AnnData(np.array([[1, 1, 8], [2, 2, 0]]))
    adata.var_names = ["A", "B", "CAR1"]
    cs.pp.normalize(adata, target_sum=100, exclude=["CAR.*"])
    np.testing.assert_allclose(np.expm1(adata.X.toarray()), [[50, 50, 400], [50, 50, 0]], rtol=1e-5)


def test_an_empty_cell_stays_empty():
    adata = ad.AnnData(sparse.csr_matrix(np.array([[0, 0], [1, 1]])))
    cs.pp.normalize(adata)
    assert np.isfinite(adata.X.toarray()).all()
    assert adata.X[0].sum() == 0


def test_unsorted_and_duplicate_entries():
    x = sparse.csr_matrix(
        (np.array([1, 2, 3]), np.array([1, 0, 1]), np.array([0, 3])), shape=(1, 2)
    )
    adata = ad.AnnData(x)
    cs.pp.normalize(adata, target_sum=6)
    np.testing.assert_allclose(np.expm1(adata.X.toarray()), [[2, 4]], rtol=1e-6)


def test_errors(cells):
    with pytest.raises(InputError, match="target_sum is 0, but must be above 0"):
        cs.pp.normalize(cells, target_sum=0)
    with pytest.raises(InputError, match="adata is a view"):
        cs.pp.normalize(cells[:5])
    cells.layers["counts"] = cells.layers["counts"].astype(float) * -1
    with pytest.raises(InputError, match="negative"):
        cs.pp.normalize(cells)
    with pytest.raises(InputError, match="neither layers"):
        cs.pp.normalize(ad.AnnData(obs=cells.obs, var=cells.var))
