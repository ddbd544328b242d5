from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope.pp._doublets import threshold, valley


def with_doublets(counts, kind, rate=0.06, seed=0):
    """Add sums of pairs of cells of different types; return counts and which rows are doublets."""
    rng = np.random.default_rng(seed)
    n = counts.shape[0]
    one, two = rng.integers(0, n, (2, 20 * n))
    different = kind[one] != kind[two]
    n_doublets = int(rate * n)
    one, two = one[different][:n_doublets], two[different][:n_doublets]
    both = sparse.vstack([counts, counts[one] + counts[two]]).tocsr()
    return both, np.r_[np.zeros(n, bool), np.ones(n_doublets, bool)]


@pytest.fixture
def planted(make_cells):
    cells = make_cells(n_cells=800, seed=1)
    counts = cells.layers["counts"].astype(np.int32)
    counts, truth = with_doublets(counts, cells.obs["kind"].to_numpy())
    obs = pd.DataFrame({"sample": "s1"}, index=[f"c{i}" for i in range(truth.size)])
    return ad.AnnData(counts, obs=obs, var=cells.var), truth


def test_finds_planted_heterotypic_doublets(planted):
    adata, truth = planted
    cs.pp.doublets(adata, expected_rate=0.06)
    assert roc_auc_score(truth, adata.obs["doublet_score"]) > 0.95
    called = adata.obs["predicted_doublet"].to_numpy()
    assert called[truth].mean() > 0.5
    assert called[~truth].mean() < 0.02
    assert adata.obs["doublet_score"].between(0, 1).all()


@pytest.mark.reference
@pytest.mark.parametrize("condition", ["ctrl", "stim"])
def test_auroc_on_real_blood_cells_with_planted_doublets(reference, condition):
    file = reference / "kang2k" / "kang_pbmc_2000cells_with_donor.h5ad"
    blood = ad.read_h5ad(file)
    blood = blood[(blood.obs["condition"] == condition).to_numpy()].copy()
    kind = blood.obs["derived_cell_type"].astype(str).to_numpy()
    counts, truth = with_doublets(sparse.csr_matrix(blood.X, dtype=np.int32), kind)
    obs = pd.DataFrame({"sample": "s1"}, index=[f"c{i}" for i in range(truth.size)])
    adata = ad.AnnData(counts, obs=obs)
    cs.pp.doublets(adata)
    assert roc_auc_score(truth, adata.obs["doublet_score"]) >= 0.85


def test_libraries_are_scored_apart_and_the_order_does_not_matter(planted, rng):
    adata, _ = planted
    adata.obs["sample"] = np.where(np.arange(adata.n_obs) % 2 == 0, "a", "b")
    cs.pp.doublets(adata)
    alone = adata[(adata.obs["sample"] == "b").to_numpy()].copy()
    cs.pp.doublets(alone)
    expected = adata.obs.loc[alone.obs_names, "doublet_score"]
    np.testing.assert_array_equal(alone.obs["doublet_score"], expected)


def test_same_bytes_with_any_number_of_threads(planted):
    adata, _ = planted
    adata.obs["sample"] = np.where(np.arange(adata.n_obs) % 3 == 0, "a", "b")
    one = cs.pp.doublets(adata, copy=True, n_jobs=1)
    two = cs.pp.doublets(adata, copy=True, n_jobs=2)
    np.testing.assert_array_equal(one.obs["doublet_score"], two.obs["doublet_score"])
    other = cs.pp.doublets(adata, copy=True, random_state=1)
    assert not np.array_equal(one.obs["doublet_score"], other.obs["doublet_score"])


def test_products_and_tiny_samples_are_skipped_and_said_so(planted):
    adata, _ = planted
    n = adata.n_obs
    adata.obs["sample"] = np.select([np.arange(n) < 300, np.arange(n) < 350], ["ip", "tiny"], "d7")
    cs.pp.qc(adata, min_genes=10)
    cs.pp.doublets(adata, skip={"ip": "an infusion product is nearly all T cells"})
    score = adata.obs["doublet_score"]
    sample = adata.obs["sample"]
    assert score[sample.isin(["ip", "tiny"])].isna().all()
    assert score[sample == "d7"].notna().all()
    assert not adata.obs.loc[sample.isin(["ip", "tiny"]), "predicted_doublet"].any()
    by = cs.pp.qc_table(adata).set_index("sample")["doublets_by"]
    assert by["ip"] == "not scored: an infusion product is nearly all T cells"
    assert by["tiny"] == "not scored: 50 cells, below 100"
    assert by["d7"].startswith("simulated doublets")


def test_cells_that_failed_qc_are_not_scored(planted):
    adata, _ = planted
    adata.obs["qc_pass"] = np.arange(adata.n_obs) >= 50
    cs.pp.doublets(adata)
    assert adata.obs["doublet_score"].isna().to_numpy().nonzero()[0].tolist() == list(range(50))


def test_a_library_with_too_few_genes_is_not_scored():
    adata = ad.AnnData(np.random.default_rng(0).poisson(3.0, (150, 12)))
    adata.obs["sample"] = "s1"
    cs.pp.doublets(adata)
    assert adata.obs["doublet_score"].isna().all()
    assert adata.uns["cartscope"]["doublets"]["how"] == [
        "not scored: only 12 genes occur in 3 cells or more"
    ]


def test_sample_names_may_hold_a_slash(planted, tmp_path):
    adata, _ = planted
    adata.obs["sample"] = "pool/1"
    cs.pp.doublets(adata)
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert ad.read_h5ad(tmp_path / "a.h5ad").uns["cartscope"]["doublets"]["samples"] == ["pool/1"]


def test_valley_lies_between_two_modes(rng):
    scores = np.r_[rng.normal(0.1, 0.02, 4000), rng.normal(0.6, 0.05, 4000)]
    assert 0.2 < valley(scores) < 0.5
    assert valley(np.full(100, 0.3)) is None


def test_an_implausible_valley_gives_way_to_the_expected_number(rng):
    simulated = np.r_[rng.normal(0.1, 0.02, 2000), rng.normal(0.6, 0.05, 2000)]
    none_up_there = rng.uniform(0.0, 0.15, 1000)
    cut, how = threshold(none_up_there, simulated, rate=0.05)
    assert "expected number" in how
    assert 0 < (none_up_there > cut).sum() <= 50
    some = np.r_[none_up_there, rng.normal(0.6, 0.02, 50)]
    cut, how = threshold(some, simulated, rate=0.05)
    assert "valley" in how
    assert (some > cut).sum() == 50


def test_errors(planted):
    adata, _ = planted
    with pytest.raises(InputError, match=r"skip names \['s9'\], but obs"):
        cs.pp.doublets(adata, skip=["s9"])
    with pytest.raises(InputError, match=r"expected_rate is 1.5"):
        cs.pp.doublets(adata, expected_rate=1.5)
    with pytest.raises(MissingKeyError, match=r"adata.obs\['channel'\] is missing"):
        cs.pp.doublets(adata, sample_key="channel")
