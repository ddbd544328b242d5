from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope.pp._pseudobulk import sum_by_group


def test_equals_pandas_groupby(cells):
    pdata = cs.pp.pseudobulk(cells, by=["patient", "kind"], min_cells=1)
    frame = pd.DataFrame(cells.layers["counts"].toarray().astype(np.int64))
    keys = [cells.obs["patient"].to_numpy(), cells.obs["kind"].to_numpy()]
    expected = frame.groupby(keys, observed=True).sum()
    np.testing.assert_array_equal(pdata.X, expected.to_numpy())
    assert list(pdata.obs_names) == ["|".join(key) for key in expected.index]
    assert pdata.obs["n_cells"].sum() == cells.n_obs


def test_counts_layer_and_x_are_the_same_integers_but_not_the_same_memory(cells):
    pdata = cs.pp.pseudobulk(cells, by=["sample"])
    assert pdata.X.dtype.kind == "i"
    np.testing.assert_array_equal(pdata.X, pdata.layers["counts"])
    assert not np.shares_memory(pdata.X, pdata.layers["counts"])


def test_more_than_127_groups_do_not_overflow_int8_category_codes(rng):
    n = 2000
    group = np.arange(n) % 500
    adata = ad.AnnData(sparse.csr_matrix(rng.poisson(1, (n, 5)).astype(np.uint8)))
    adata.obs["a"] = pd.Categorical([f"g{g // 25:02d}" for g in group])  # 20: int8 codes
    adata.obs["b"] = pd.Categorical([f"h{g % 25:02d}" for g in group])  # 25: int8 codes
    pdata = cs.pp.pseudobulk(adata, by=["a", "b"], min_cells=1)
    assert pdata.n_obs == 500
    assert (pdata.obs["n_cells"] == 4).all()
    assert pdata.X.sum() == adata.X.sum(dtype=np.int64)
    row = pdata["g19|h24"].X.ravel()
    np.testing.assert_array_equal(row, adata.X[group == 499].toarray().sum(axis=0))


def test_sums_do_not_overflow_the_counts_own_type():
    adata = ad.AnnData(sparse.csr_matrix(np.full((300, 1), 250, dtype=np.uint8)))
    adata.obs["sample"] = "s1"
    assert cs.pp.pseudobulk(adata, by=["sample"]).X[0, 0] == 75_000


def test_patient_level_columns_come_along_and_others_do_not(cells):
    cells.obs["age"] = np.where(cells.obs["patient"] == "p1", 60.0, np.nan)
    cells.obs["score"] = np.arange(cells.n_obs)
    cs.pp.qc(cells, min_genes=0, max_pct_mito=100)
    pdata = cs.pp.pseudobulk(cells, by=["patient", "kind"])
    assert set(pdata.obs) == {"patient", "kind", "n_cells", "age", "crs_grade"}
    assert (pdata.obs.loc[pdata.obs["patient"] == "p1", "age"] == 60).all()
    assert pdata.obs.loc[pdata.obs["patient"] == "p2", "age"].isna().all()


def test_small_groups_are_dropped_and_listed(cells):
    cells.obs["rare"] = np.where(np.arange(cells.n_obs) < 7, "rare", "many")
    pdata = cs.pp.pseudobulk(cells, by=["rare"], min_cells=10)
    assert list(pdata.obs_names) == ["many"]
    assert pdata.uns["cartscope"]["pseudobulk"]["dropped"] == ["rare: 7 cells, below 10"]
    assert pdata.X.sum() == cells.layers["counts"][7:].sum(dtype=np.int64)


def test_a_group_of_just_enough_cells_is_kept(cells):
    cells.obs["rare"] = np.where(np.arange(cells.n_obs) < 10, "rare", "many")
    assert list(cs.pp.pseudobulk(cells, by=["rare"], min_cells=10).obs_names) == ["many", "rare"]


def test_cells_without_a_value_are_in_no_group(cells):
    cells.obs["type"] = cells.obs["kind"].astype(object).where(np.arange(cells.n_obs) >= 100)
    pdata = cs.pp.pseudobulk(cells, by=["type"])
    assert pdata.obs["n_cells"].sum() == cells.n_obs - 100
    assert pdata.X.sum() == cells.layers["counts"][100:].sum(dtype=np.int64)


def test_no_group_is_large_enough(cells):
    pdata = cs.pp.pseudobulk(cells, by=["sample"], min_cells=10_000)
    assert pdata.shape == (0, cells.n_vars)
    assert len(pdata.uns["cartscope"]["pseudobulk"]["dropped"]) == 3


def test_input_is_untouched(cells):
    before = cells.copy()
    cs.pp.pseudobulk(cells, by=["sample", "kind"])
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    pd.testing.assert_frame_equal(cells.var, before.var)
    assert (cells.layers["counts"] != before.layers["counts"]).nnz == 0
    assert dict(cells.uns) == dict(before.uns)


def test_a_view_may_be_summed(cells):
    part = cells[cells.obs["patient"] == "p2"]
    pdata = cs.pp.pseudobulk(part, by=["patient"])
    assert list(pdata.obs_names) == ["p2"]
    assert pdata.X.sum() == part.layers["counts"].sum(dtype=np.int64)


def test_dense_float_counts(cells):
    dense = ad.AnnData(cells.X.toarray().astype(np.float32), obs=cells.obs, var=cells.var)
    expected = cs.pp.pseudobulk(cells, by=["sample"])
    np.testing.assert_array_equal(cs.pp.pseudobulk(dense, by=["sample"]).X, expected.X)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**31))
def test_every_count_is_in_one_group(n_cells, n_groups, seed):
    rng = np.random.default_rng(seed)
    counts = sparse.csr_matrix(rng.poisson(0.7, (n_cells, 9)).astype(np.uint16))
    codes = rng.integers(-1, n_groups, n_cells)
    out = sum_by_group(counts, codes, n_groups)
    assert out.sum() == counts.toarray()[codes >= 0].sum()
    for group in range(n_groups):
        np.testing.assert_array_equal(out[group], counts.toarray()[codes == group].sum(axis=0))


def test_errors(cells):
    with pytest.raises(MissingKeyError, match=r"adata.obs\['cell_type'\] is missing"):
        cs.pp.pseudobulk(cells, by=["cell_type"])
    with pytest.raises(InputError, match="by is empty"):
        cs.pp.pseudobulk(cells, by=[])
    cells.layers["counts"] = cells.layers["counts"] * 0.5
    with pytest.raises(InputError, match="not an integer"):
        cs.pp.pseudobulk(cells, by=["sample"])


@pytest.mark.reference
def test_sums_of_real_cells_equal_the_stored_pseudobulk(reference):
    folder = reference / "kang2k"
    blood = ad.read_h5ad(folder / "kang_pbmc_2000cells_with_donor.h5ad")
    stored = pd.read_csv(folder / "pb_cd14_counts.csv.gz", index_col=0).T
    n_cells = pd.read_csv(folder / "pb_cd14_meta.csv").set_index("sample")["n_cells"]
    monocytes = blood[(blood.obs["derived_cell_type"] == "CD14+ Monocytes").to_numpy()].copy()
    pdata = cs.pp.pseudobulk(monocytes, by=["condition", "donor"], min_cells=1)
    pdata.obs_names = [name.replace("|", "") for name in pdata.obs_names]
    ours = pdata.to_df().loc[stored.index, stored.columns]
    same = pdata.obs["n_cells"].loc[stored.index] == n_cells.loc[stored.index]
    same &= stored.index.str.startswith("ctrl")  # the stored stimulated cells were chosen otherwise
    assert same.sum() == 7
    np.testing.assert_array_equal(ours[same], stored[same])
