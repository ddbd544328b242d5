from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import DROPPED, QC
from cartscope.pp._qc import outlier_limits


def test_metrics_equal_scanpys(cells):
    import scanpy as sc

    other = ad.AnnData(cells.X.astype(np.float64), obs=cells.obs[[]], var=cells.var[[]])
    other.var["mt"] = [name.upper().startswith("MT-") for name in other.var_names]
    sc.pp.calculate_qc_metrics(other, qc_vars=["mt"], percent_top=None, log1p=False, inplace=True)
    cs.pp.qc(cells)
    for column in ("total_counts", "n_genes_by_counts", "pct_counts_mt"):
        np.testing.assert_allclose(cells.obs[column], other.obs[column], rtol=1e-6)
    np.testing.assert_array_equal(cells.var["n_cells_by_counts"], other.var["n_cells_by_counts"])


def test_every_reason_of_a_cell_is_kept():
    genes = [f"G{i}" for i in range(300)]
    counts = np.zeros((4, 302), dtype=int)
    counts[0, :300] = 1
    counts[1, :50] = 1
    counts[1, 300] = 50  # mitochondrial half, few genes
    counts[2, :300] = 1
    counts[2, 301] = 200  # red cell
    counts[3, :300] = 1
    counts[3, 300] = 60  # 60 of 360: 16.7%
    adata = ad.AnnData(counts, var=pd.DataFrame(index=[*genes, "MT-ND1", "HBB"]))
    cs.pp.qc(adata)
    assert list(adata.obs["qc_reason"]) == [
        "passed",
        "few genes; high mitochondrial share",
        "high haemoglobin",
        "high mitochondrial share",
    ]
    assert list(adata.obs["qc_pass"]) == [True, False, False, False]
    assert adata.obs["hbb_log1p"].iloc[2] == pytest.approx(np.log1p(1e4 * 200 / 500))


def test_explicit_zeros_are_no_counts():
    x = sparse.csr_matrix(np.array([[1, 2, 3]]))
    x.data[1] = 0
    adata = ad.AnnData(x)
    cs.pp.qc(adata, min_genes=0)
    assert adata.obs["n_genes_by_counts"].tolist() == [2]
    assert adata.var["n_cells_by_counts"].tolist() == [1, 0, 1]


def test_adaptive_limits_find_planted_outliers_in_their_own_sample(cells):
    counts = cells.layers["counts"].toarray().astype(np.int64)
    of_first = np.flatnonzero(cells.obs["sample"] == "s1")
    counts[of_first[:3]] *= 40
    adata = ad.AnnData(sparse.csr_matrix(counts), obs=cells.obs, var=cells.var)
    cs.pp.qc(adata, min_genes=20, max_pct_mito=100)
    assert adata.obs["qc_pass"].all()
    cs.pp.qc(adata, min_genes=20, max_pct_mito=100, mad=5)
    failed = np.flatnonzero(~adata.obs["qc_pass"])
    assert set(of_first[:3]) <= set(failed)
    assert failed.size < 3 + 0.01 * adata.n_obs
    assert "high outlier of its sample" in adata.obs["qc_reason"].iloc[of_first[0]]


def test_no_adaptive_limit_without_mad(cells):
    cs.pp.qc(cells, min_genes=20)
    before = cells.obs["qc_reason"].astype(str).tolist()
    cs.pp.qc(cells, min_genes=20, mad=0)
    assert cells.obs["qc_reason"].astype(str).tolist() == before


def test_outlier_limits_are_medians_plus_scaled_deviations():
    values = np.array([1.0, 2.0, 3.0, 10.0, 10.0])
    low, high = outlier_limits(values, np.array([0, 0, 0, 1, 1]), n_groups=2, mad=2)
    np.testing.assert_allclose(low, [2 - 2 * 1.4826, 10])
    np.testing.assert_allclose(high, [2 + 2 * 1.4826, 10])


def test_table_has_a_row_and_a_verdict_per_library(cells):
    counts = cells.layers["counts"].toarray()
    third = (cells.obs["sample"] == "s3").to_numpy()
    counts[third] = np.random.default_rng(0).binomial(counts[third], 0.01)
    keep = ~((cells.obs["sample"] == "s2").to_numpy() & (np.arange(cells.n_obs) > 60))
    adata = ad.AnnData(sparse.csr_matrix(counts)[keep], obs=cells.obs[keep], var=cells.var)
    cs.pp.qc(adata, min_genes=100)
    table = QC.check(cs.pp.qc_table(adata)).set_index("sample")
    assert table["verdict"].to_dict() == {"s1": "usable", "s2": "few cells", "s3": "failed library"}
    assert "median of" in table.loc["s3", "reason"]
    assert table["n_cells"].sum() == adata.n_obs
    assert table["n_kept"].sum() == adata.obs["qc_pass"].sum()
    assert table.loc["s3", "n_few_genes"] == third.sum()
    assert table.loc["s1", "doublets_by"].startswith("not scored")
    assert table.loc["s1", "patient"] == "p1"


def test_the_ledger_adds_up(cells):
    cs.pp.qc(cells, min_genes=230, max_pct_mito=2)
    cells.obs["predicted_doublet"] = np.arange(cells.n_obs) % 10 == 0
    table = DROPPED.check(cs.pp.dropped_table(cells, min_cells_per_gene=40))
    lost = table[table["kind"] == "cell"]
    kept = cs.pp.kept_cells(cells)
    assert lost["n"].sum() == (~kept).sum()
    assert "predicted doublet" in set(lost["reason"])
    genes = table[table["kind"] == "gene"]
    assert genes["n"].tolist() == [(cells.var["n_cells_by_counts"] < 40).sum()]
    per_sample = lost.groupby("sample")["n"].sum()
    expected = pd.Series(~kept).groupby(cells.obs["sample"].astype(str).to_numpy()).sum()
    assert per_sample.to_dict() == expected.to_dict()


def test_ledger_names_a_failed_library(cells):
    cs.pp.qc(cells, min_genes=20)
    libraries = cs.pp.qc_table(cells, min_median_counts=1e6)
    table = cs.pp.dropped_table(cells, libraries=libraries)
    rows = table[table["kind"] == "sample"]
    assert rows["sample"].tolist() == ["s1", "s2", "s3"]
    assert rows["reason"].str.contains("below 1e\\+06").all()


def test_copy_leaves_the_input_alone(cells):
    before = cells.copy()
    out = cs.pp.qc(cells, copy=True)
    assert list(cells.obs.columns) == list(before.obs.columns)
    assert "qc_pass" in out.obs


def test_only_documented_slots_change(cells):
    before = cells.copy()
    assert cs.pp.qc(cells) is None
    new = {"total_counts", "n_genes_by_counts", "pct_counts_mt", "hbb_log1p", "qc_pass"}
    assert set(cells.obs) - set(before.obs) == new | {"qc_reason"}
    assert set(cells.var) - set(before.var) == {"n_cells_by_counts"}
    assert (cells.layers["counts"] != before.layers["counts"]).nnz == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_genes": -1}, "QC limits must be above 0"),
        ({"max_pct_mito": 0}, "QC limits must be above 0"),
        ({"mad": -2}, "QC limits must be above 0"),
        ({"mito_pattern": "("}, "is not a regular expression"),
    ],
)
def test_impossible_limits(cells, arguments, message):
    with pytest.raises(InputError, match=message):
        cs.pp.qc(cells, **arguments)


def test_fractional_counts(cells):
    cells.layers["counts"] = cells.layers["counts"] * 0.5
    with pytest.raises(InputError, match="must hold raw counts"):
        cs.pp.qc(cells)


def test_a_view_is_refused(cells):
    with pytest.raises(InputError, match=r"adata is a view.*copy"):
        cs.pp.qc(cells[:10])


def test_missing_sample_column(cells):
    with pytest.raises(MissingKeyError, match=r"adata.obs\['library'\] is missing"):
        cs.pp.qc(cells, mad=5, sample_key="library")


def test_table_needs_qc(cells):
    with pytest.raises(MissingKeyError, match=r"run cs.pp.qc first"):
        cs.pp.qc_table(cells)
    with pytest.raises(MissingKeyError, match=r"run cs.pp.qc first"):
        cs.pp.dropped_table(cells)
    with pytest.raises(MissingKeyError, match=r"run cs.pp.qc first"):
        cs.pp.kept_cells(cells)


@pytest.mark.reference
def test_the_real_failed_library_is_flagged_and_the_others_are_not(reference):
    import h5py

    folder = reference / "carpall"
    samples = pd.read_csv(folder / "samples.tsv", sep="\t")
    parts = []
    for row in samples.itertuples():
        with h5py.File(folder / f"{row.sample}.filtered_feature_bc_matrix.h5") as file:
            m = file["matrix"]
            shape = tuple(m["shape"][:])
            x = sparse.csc_matrix((m["data"][:], m["indices"][:], m["indptr"][:]), shape).T.tocsr()
            names = [n.decode() for n in m["features/name"][:]]
        parts.append(x)
    obs = pd.DataFrame({"sample": np.repeat(samples["sample"], [p.shape[0] for p in parts])})
    obs.index = obs.index.astype(str) + "_" + np.arange(len(obs)).astype(str)
    adata = ad.AnnData(sparse.vstack(parts).tocsr(), obs=obs)
    adata.var["symbol"] = names
    adata.var_names = ad.utils.make_index_unique(pd.Index(names))
    cs.pp.qc(adata, mad=5)
    table = cs.pp.qc_table(adata).set_index("sample")
    failed = table.index[table["verdict"] == "failed library"].tolist()
    assert failed == ["CAR-T10484033"]
    assert table.loc["CAR-T10484033", "median_counts"] == 24
    assert (table.drop(index=failed)["verdict"] == "usable").all()
    assert (table.drop(index=failed)["n_kept"] > 0.8 * table.drop(index=failed)["n_cells"]).all()


def test_the_mitochondrial_limit_itself_fails():
    adata = ad.AnnData(np.array([[85, 15], [86, 14]]))
    adata.var_names = ["G", "MT-ND1"]
    cs.pp.qc(adata, min_genes=1, max_pct_mito=15)
    assert list(adata.obs["qc_pass"]) == [False, True]


def test_a_library_without_mitochondrial_reads_loses_no_healthy_cell():
    counts = np.column_stack([np.full(50, 1000), np.zeros(50, int)])
    counts[0, 1] = 20  # 2%, the only cell above 0: no outlier to worry about
    counts[1, 1] = 110  # 10%
    adata = ad.AnnData(counts)
    adata.var_names = ["G", "MT-ND1"]
    adata.obs["sample"] = "s1"
    cs.pp.qc(adata, min_genes=1, mad=5)
    mito = adata.obs["qc_reason"].astype(str).str.contains("mitochondrial outlier")
    assert mito.to_numpy().nonzero()[0].tolist() == [1]


@pytest.mark.parametrize(
    ("n_kept", "median", "expected"),
    [(99, 2000, "failed library"), (100, 2000, "usable"), (400, 499, "failed library")],
)
def test_verdict_at_its_limits(n_kept, median, expected):
    from cartscope.pp._qc_table import verdict

    limits = {"min_cells": 50, "min_median_counts": 500, "min_kept_share": 0.1}
    assert verdict(1000, n_kept, median, **limits)[0] == expected
