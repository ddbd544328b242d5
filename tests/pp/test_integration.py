from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import INTEGRATION
from cartscope.pp._integration import lisi, sample_ratio, variance_share


def embedded_twice(seed=0, condition_shift=2.0, batch_shift=2.0):
    """SIMULATED: two types, two conditions of three samples; "after" has only the batches gone."""
    rng = np.random.default_rng(seed)
    n = 1500
    sample, kind = rng.integers(0, 6, n), rng.integers(0, 2, n)
    condition = sample // 3
    points = rng.normal(size=(n, 6))
    points[:, 0] += 10 * kind
    points[:, 1] += condition_shift * condition
    shift = batch_shift * rng.normal(size=(6, 2))
    shift -= shift.reshape(2, 3, 2).mean(axis=1).repeat(3, axis=0)
    obs = pd.DataFrame(
        {
            "sample": np.array([f"s{i}" for i in range(6)])[sample],
            "kind": np.array(["T", "B"])[kind],
            "timepoint": np.array(["product", "day7"])[condition],
        },
        index=[f"c{i}" for i in range(n)],
    )
    adata = ad.AnnData(obs=obs)
    adata.obsm["X_pca_harmony"] = points
    adata.obsm["X_pca"] = points + np.column_stack([np.zeros((n, 4)), shift[sample]])
    return adata


def rows(table):
    return table.set_index(["measure", "role"])


def test_lisi_equals_harmonypys(rng):
    from harmonypy.lisi import compute_lisi

    points = rng.normal(size=(400, 5))
    codes = (points[:, 0] + rng.normal(size=400) > 0).astype(np.int64)
    theirs = compute_lisi(points, pd.DataFrame({"batch": codes}), ["batch"]).ravel()
    np.testing.assert_allclose(lisi(points, codes), theirs, rtol=2e-3)


@pytest.mark.reference
def test_lisi_equals_rs(reference):
    folder = reference / "harmony"
    pcs = pd.read_csv(folder / "pbmc_3500_pcs.tsv.gz", sep="\t").select_dtypes("number").to_numpy()
    donor = pd.factorize(pd.read_csv(folder / "pbmc_3500_meta.tsv.gz", sep="\t")["donor"])[0]
    name = "pbmc3500_donor_R2.0.4_lambda1"
    theirs = pd.read_csv(folder / f"{name}_lisi.csv.gz")
    corrected = pd.read_csv(folder / f"{name}.csv.gz").select_dtypes("number").to_numpy()
    for points, column in ((pcs, "before.donor"), (corrected, "after.donor")):
        ours = lisi(points, donor.astype(np.int64))
        assert np.corrcoef(ours, theirs[column])[0, 1] > 0.999
        assert np.median(np.abs(ours - theirs[column])) < 0.01


def test_lisi_of_separate_and_of_mixed_groups(rng):
    points = rng.normal(size=(600, 4))
    codes = np.arange(600) % 3
    assert np.median(lisi(points, codes)) > 2.6
    points[:, 0] += 100 * codes
    assert lisi(points, codes).max() < 1.01


def test_variance_share_is_the_planted_one_and_zero_by_chance(rng):
    codes = np.arange(20_000) % 2
    points = rng.normal(size=(20_000, 1))
    assert variance_share(points, codes, np.zeros(20_000, int)) < 0.001
    points[:, 0] += 2 * codes  # variance between 1, within 1
    share = variance_share(points, codes, np.zeros(20_000, int))
    assert share == pytest.approx(0.5, abs=0.01)
    # a group that is a label has no variance inside labels
    assert np.isnan(variance_share(points, codes, codes))


def test_many_small_groups_explain_nothing_by_chance():
    shares = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        points, codes = rng.normal(size=(60, 4)), np.arange(60) % 12
        shares.append(variance_share(points, codes, np.zeros(60, int)))
    assert np.mean(shares) < 0.06  # 11 / 59 without the correction


def test_sample_ratio_is_about_one_without_a_difference():
    ratios = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sample = np.arange(1000) % 10
        points = rng.normal(size=(10, 20))[sample] + 0.1 * rng.normal(size=(1000, 20))
        zero = np.zeros(1000, int)
        ratios.append(sample_ratio(points, (sample < 5).astype(int), sample=sample, within=zero))
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_a_good_correction():
    adata = embedded_twice()
    table = INTEGRATION.check(
        cs.pp.integration_report(adata, label_key="kind", condition_keys=["timepoint"])
    )
    got = rows(table)
    assert got.loc[("lisi", "batch"), "ratio"] > 1.2
    assert got.loc[("share of variance", "batch"), "ratio"] < 0.7
    assert got.loc[("lisi", "label"), "reading"] == "labels stay apart"
    condition = got.loc[("share of variance", "condition")]
    assert condition["ratio"] > 1
    assert condition["reading"].endswith("of the difference survived")
    assert not condition["reading"].startswith("over")
    assert got.loc[("spread over samples", "condition"), "ratio"] > 1


def test_a_lost_condition_is_reported_not_hidden():
    adata = embedded_twice()
    points = adata.obsm["X_pca_harmony"]
    points[:, 1] -= 1.8 * (adata.obs["timepoint"] == "day7").to_numpy()
    got = rows(cs.pp.integration_report(adata, label_key="kind", condition_keys=["timepoint"]))
    reading = got.loc[("share of variance", "condition"), "reading"]
    assert reading.startswith("over-corrected or confounded with batches")
    assert got.loc[("share of variance", "condition"), "ratio"] < 0.2


def test_blurred_labels_are_reported():
    adata = embedded_twice()
    adata.obsm["X_pca_harmony"][:, 0] -= 10 * (adata.obs["kind"] == "B").to_numpy()
    got = rows(cs.pp.integration_report(adata, label_key="kind"))
    assert got.loc[("lisi", "label"), "reading"] == "over-corrected: labels are blurred"


def test_a_sample_of_the_cells_gives_nearly_the_same():
    adata = embedded_twice()
    everything = cs.pp.integration_report(adata, label_key="kind")
    some = cs.pp.integration_report(adata, label_key="kind", max_cells=700)
    np.testing.assert_allclose(everything["after"], some["after"], rtol=0.15, atol=0.02)


def test_cells_without_a_condition_are_left_out_of_it():
    adata = embedded_twice()
    adata.obs["response"] = adata.obs["timepoint"].where(adata.obs["sample"] != "s0")
    got = rows(cs.pp.integration_report(adata, condition_keys=["response"]))
    assert np.isfinite(got.loc[("share of variance", "condition"), "ratio"])


def test_input_is_untouched():
    adata = embedded_twice()
    before = adata.copy()
    cs.pp.integration_report(adata, label_key="kind", condition_keys=["timepoint"])
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    np.testing.assert_array_equal(adata.obsm["X_pca"], before.obsm["X_pca"])
    assert dict(adata.uns) == {}


def test_errors():
    adata = embedded_twice()
    with pytest.raises(MissingKeyError, match=r"adata.obs\['grade'\] is missing"):
        cs.pp.integration_report(adata, condition_keys=["grade"])
    with pytest.raises(InputError, match="LISI needs more than 90 cells, but there are 50"):
        cs.pp.integration_report(adata[:50])
    del adata.obsm["X_pca_harmony"]
    with pytest.raises(MissingKeyError, match=r"run cs.pp.pca and cs.pp.harmony first"):
        cs.pp.integration_report(adata)
