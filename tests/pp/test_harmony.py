from __future__ import annotations

import logging
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope.pp._harmony import correct


def shifted(n=300, n_comps=6, seed=0):
    """SIMULATED: two clusters in two batches that lie a constant apart."""
    rng = np.random.default_rng(seed)
    batch = rng.integers(0, 2, n)
    cluster = rng.integers(0, 2, n)
    points = rng.normal(size=(n, n_comps))
    points[:, 0] += 8 * cluster
    points[:, 1] += 3 * batch
    obs = pd.DataFrame({"sample": np.array(["a", "b"])[batch]}, index=[f"c{i}" for i in range(n)])
    adata = ad.AnnData(obs=obs)
    adata.obsm["X_pca"] = points.astype(np.float32)
    return adata, batch, cluster


def test_batches_meet_and_clusters_stay():
    adata, batch, cluster = shifted()
    cs.pp.harmony(adata, "sample")
    z = adata.obsm["X_pca_harmony"]
    gap = abs(z[batch == 0, 1].mean() - z[batch == 1, 1].mean())
    assert gap < 0.3
    apart = abs(z[cluster == 0, 0].mean() - z[cluster == 1, 0].mean())
    assert apart > 7


def test_z_corr_is_cells_by_components_in_harmonypy_2():
    adata, _, _ = shifted()
    cs.pp.harmony(adata, "sample")
    assert adata.obsm["X_pca_harmony"].shape == (300, 6)
    # component for component near the input: a transposed result would not be
    for c in (0, 2, 3, 4, 5):
        r = np.corrcoef(adata.obsm["X_pca"][:, c], adata.obsm["X_pca_harmony"][:, c])[0, 1]
        assert r > 0.9


def test_as_many_cells_as_components_is_not_read_transposed():
    rng = np.random.default_rng(0)
    n = 40
    batch = np.arange(n) % 2
    points = rng.normal(size=(n, n))
    points[:, 0] += 6 * batch
    square = correct(points, batch)
    wide = correct(np.column_stack([points, np.zeros(n)]), batch)
    np.testing.assert_allclose(square, wide[:, :n], atol=1e-5)
    assert abs(square[batch == 0, 0].mean() - square[batch == 1, 0].mean()) < 3


def test_a_transposed_result_is_an_error(monkeypatch):
    class Result:
        Z_corr = np.zeros((5, 30))

    monkeypatch.setattr(
        "cartscope.pp._harmony._import_run_harmony", lambda: lambda *a, **kw: Result()
    )
    with pytest.raises(InputError, match=r"shape \(5, 30\) for \(30, 5\)"):
        correct(np.zeros((30, 5)), np.arange(30) % 2)


def test_fewer_than_15_cells():
    adata, _, _ = shifted(n=14)
    with pytest.raises(InputError, match="needs 15 cells or more, but adata has 14"):
        cs.pp.harmony(adata, "sample")


def test_one_batch_is_copied_and_said_so(caplog):
    adata, _, _ = shifted()
    adata.obs["sample"] = "only"
    with caplog.at_level(logging.INFO, logger="cartscope"):
        cs.pp.harmony(adata, "sample")
    np.testing.assert_array_equal(adata.obsm["X_pca_harmony"], adata.obsm["X_pca"])
    assert not np.shares_memory(adata.obsm["X_pca_harmony"], adata.obsm["X_pca"])
    assert "nothing was corrected" in adata.uns["cartscope"]["harmony"]["note"]
    assert "uncorrected" in caplog.text


@pytest.mark.parametrize("key", ["crs_grade", "nt_grade", "response", "anakinra"])
def test_outcomes_are_no_batches(key):
    adata, _, _ = shifted()
    adata.obs[key] = "x"
    with pytest.raises(InputError, match=f"'{key}' is an outcome, not a batch"):
        cs.pp.harmony(adata, key)


def test_same_bytes_with_any_number_of_threads_and_from_run_to_run():
    adata, _, _ = shifted()
    cs.pp.harmony(adata, "sample", key_added="one")
    cs.pp.harmony(adata, "sample", key_added="two", n_jobs=2)
    np.testing.assert_array_equal(adata.obsm["one"], adata.obsm["two"])


def test_parameters_are_kept():
    adata, _, _ = shifted()
    cs.pp.harmony(adata, "sample", random_state=3, lamb=None)
    kept = adata.uns["cartscope"]["harmony"]
    assert kept == {
        "key": "sample",
        "basis": "X_pca",
        "n_batches": 2,
        "seed": 3,
        "lamb": "estimated",
    }


def test_the_debug_handler_of_harmonypy_is_undone():
    code = (
        "import logging, numpy as np\n"
        "from cartscope.pp._harmony import correct\n"
        "correct(np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 2)\n"
        "log = logging.getLogger('harmonypy')\n"
        "raise SystemExit(bool(log.handlers) or log.level != logging.NOTSET)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_missing_slots():
    adata, _, _ = shifted()
    with pytest.raises(MissingKeyError, match=r"adata.obs\['channel'\] is missing"):
        cs.pp.harmony(adata, "channel")
    del adata.obsm["X_pca"]
    with pytest.raises(MissingKeyError, match=r"run cs.pp.pca first"):
        cs.pp.harmony(adata, "sample")


@pytest.mark.reference
@pytest.mark.parametrize(
    ("answer", "lamb", "median", "least"),
    [("R2.0.4_lambda1", 1.0, 0.99, 0.97), ("R1.2.3_default", 1.0, 0.99, 0.95)],
)
def test_agrees_with_harmony_in_r(reference, answer, lamb, median, least):
    # both start from their own random k-means, so that agreement is a correlation, not equality
    folder = reference / "harmony"
    pcs = pd.read_csv(folder / "pbmc_3500_pcs.tsv.gz", sep="\t").select_dtypes("number").to_numpy()
    meta = pd.read_csv(folder / "pbmc_3500_meta.tsv.gz", sep="\t")
    theirs = pd.read_csv(folder / f"pbmc3500_donor_{answer}.csv.gz").select_dtypes("number")
    ours = correct(pcs, meta["donor"].to_numpy(), lamb=lamb)
    assert ours.shape == theirs.shape
    r = [np.corrcoef(ours[:, i], theirs.to_numpy()[:, i])[0, 1] for i in range(ours.shape[1])]
    assert np.median(r) > median
    assert min(r) > least
