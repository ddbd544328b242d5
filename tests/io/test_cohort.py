from __future__ import annotations

import json
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartscope as cs
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import SAMPLES

RNA = "Gene Expression"


@pytest.fixture
def cohort(tmp_path, make):
    """Three libraries in three forms; the second has more genes, in another order."""
    rng = np.random.default_rng(3)
    ids = [f"ENSG{i:011d}" for i in range(5)]
    names = ["CD3D", "LYZ", "TBCE", "TBCE", "NKG7"]
    full = {
        "A": make.Planted(rng.poisson(1, (4, 5)), ids, names, [RNA] * 5),
        "B": make.Planted(
            rng.poisson(1, (3, 7)) * 100,
            [ids[4], "ENSG99", ids[3], ids[1], "Yescarta", ids[2] + ".7", ids[0]],
            ["NKG7", "ONLYB", "TBCE", "LYZ", "Yescarta", "TBCE", "CD3D"],
            [RNA] * 7,
        ),
        "C": make.Planted(
            rng.poisson(1, (2, 6)), [*ids, "YESCARTA"], [*names, "YESCARTA"], [RNA] * 5 + ["Custom"]
        ),
    }
    make.write(tmp_path / "A", full["A"].triplet())
    (tmp_path / "RAW.tar").write_bytes(
        make.tar({"GSM2_B.tar.gz": make.tar(full["B"].triplet(prefix="B/"), gz=True)})
    )
    full["C"].h5(tmp_path / "C.h5")
    (tmp_path / "samples.csv").write_text(
        "sample_id,path,patient,sorted,anakinra,crs_grade,timepoint,run\n"
        "A,A,P1,false,true,2,day7,r1\n"
        "B,RAW.tar::GSM2,P1,true,true,2,day7,\n"
        "C,C.h5,P2,,false,,infusion_product,r2\n"
    )
    return tmp_path / "samples.csv", full


def dense(adata, sample, names) -> np.ndarray:
    rows = (adata.obs[k.obs.sample] == sample).to_numpy()
    at = [adata.var_names.get_loc(name) for name in names]
    return adata.layers["counts"].toarray()[rows][:, at]


def test_counts_arrive_by_ensembl_id_whatever_the_order(cohort) -> None:
    path, full = cohort
    adata = cs.io.read_cohort(path, car_features=["Yescarta"])
    assert list(adata.var_names) == ["CD3D", "LYZ", "TBCE", "TBCE-1", "NKG7", "Yescarta"]
    names = ["CD3D", "LYZ", "TBCE", "TBCE-1", "NKG7"]
    np.testing.assert_array_equal(dense(adata, "A", names), full["A"].counts)
    np.testing.assert_array_equal(dense(adata, "B", names), full["B"].counts[:, [6, 3, 5, 2, 0]])
    np.testing.assert_array_equal(dense(adata, "C", names), full["C"].counts[:, :5])
    # the CAR feature, though spelt in two ways and absent from A
    np.testing.assert_array_equal(dense(adata, "A", ["Yescarta"]), np.zeros((4, 1)))
    np.testing.assert_array_equal(dense(adata, "B", ["Yescarta"]), full["B"].counts[:, [4]])
    np.testing.assert_array_equal(dense(adata, "C", ["Yescarta"]), full["C"].counts[:, [5]])


def test_the_result_keeps_the_contract(cohort) -> None:
    adata = cs.io.read_cohort(cohort[0])
    cs.io.validate(adata)
    counts = adata.layers["counts"]
    assert isinstance(counts, sparse.csr_matrix)
    assert adata.X is None
    assert counts.dtype == np.uint16
    assert counts.indices.dtype == np.int32
    assert counts.has_canonical_format
    assert counts.data.min() > 0
    assert adata.obs_names[0] == f"A_{cohort[1]['A'].barcodes[0]}"
    assert adata.obs_names.is_unique


def test_obs_has_every_known_column_with_unknown_values_missing(cohort) -> None:
    obs = cs.io.read_cohort(cohort[0]).obs
    known = [c for c in SAMPLES.columns if c not in {"sample_id", "path", "car_features"}]
    assert list(obs.columns) == ["sample", *known, "run"]
    one = obs.groupby("sample", observed=True).first()
    assert one["patient"].tolist() == ["P1", "P1", "P2"]
    assert obs["sorted"].dtype == obs["anakinra"].dtype == "boolean"
    assert obs["sorted"].isna().sum() == 2
    assert (obs["anakinra"] == True).sum() == 7  # noqa: E712
    assert obs["crs_grade"].dtype == obs["day"].dtype == np.float64
    assert obs["crs_grade"].isna().sum() == 2
    assert obs["sex"].isna().all()
    assert obs["steroid_before_sample"].astype(str).unique().tolist() == ["unknown"]
    assert obs["run"].isna().sum() == 3
    text = [c for c in obs if isinstance(obs[c].dtype, pd.CategoricalDtype)]
    assert "timepoint" in text
    assert "" not in obs["timepoint"].cat.categories


def test_the_report_says_what_was_dropped_and_names_no_path(cohort, tmp_path) -> None:
    path, full = cohort
    adata = cs.io.read_cohort(path, car_features=["yescarta", "Kymriah"])
    report = adata.uns["cartscope"]["ingest"]
    assert report["features_dropped"] == ["ENSG99"]
    assert report["n_features"] == 6
    assert report["n_features_dropped"] == {"A": 0, "B": 1, "C": 0}
    assert report["n_counts_dropped"] == {"A": 0, "B": int(full["B"].counts[:, 1].sum()), "C": 0}
    assert report["car_features_missing"] == ["Kymriah"]
    assert report["samples"]["A"]["car_features_missing"] == ["yescarta", "Kymriah"]
    assert report["samples"]["C"]["car_features_missing"] == ["Kymriah"]
    assert [report["samples"][s]["form"] for s in "ABC"] == ["mtx v3", "mtx v3", "h5 v3"]
    assert str(tmp_path) not in json.dumps(adata.uns["cartscope"])


def test_car_features_may_differ_between_samples(cohort) -> None:
    path, _ = cohort
    table = cs.io.read_samples(path)
    table["car_features"] = ["", "Yescarta", "Kymriah"]
    adata = cs.io.read_cohort(table, car_features=["YESCARTA"])
    own = adata.uns["cartscope"]
    assert own["car_features"] == ["Yescarta"]
    # A's reference lacks it, B asks for it and has it, C asks for another that it lacks
    assert own["car_features_by_sample"] == {"A": [], "B": ["Yescarta"], "C": []}


def test_a_car_feature_in_no_sample_is_said_in_the_log(cohort, caplog) -> None:
    with caplog.at_level(logging.WARNING, logger="cartscope"):
        cs.io.read_cohort(cohort[0], car_features=["Kymriah"])
    assert "['Kymriah'] are in no sample" in caplog.text


@pytest.mark.parametrize("n_jobs", [2, 7])
def test_the_same_for_any_number_of_jobs(cohort, n_jobs) -> None:
    path, _ = cohort
    seen = []
    one = cs.io.read_cohort(path, car_features=["Yescarta"])
    many = cs.io.read_cohort(
        path, car_features=["Yescarta"], n_jobs=n_jobs, progress=lambda *at: seen.append(at)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(
            getattr(one.layers["counts"], part), getattr(many.layers["counts"], part)
        )
    pd.testing.assert_frame_equal(one.obs, many.obs)
    pd.testing.assert_frame_equal(one.var, many.var)
    assert json.dumps(one.uns["cartscope"]) == json.dumps(many.uns["cartscope"])


def test_reading_alone_or_together_gives_the_same_counts(cohort) -> None:
    path, _ = cohort
    adata = cs.io.read_cohort(path)
    table = cs.io.read_samples(path)
    alone = cs.io.read_10x(table["path"][1])
    shared = [n for n in alone.var_names if n in adata.var_names and not n.startswith("TBCE")]
    rows = (adata.obs["sample"] == "B").to_numpy()
    np.testing.assert_array_equal(
        adata[rows, shared].layers["counts"].toarray(), alone[:, shared].layers["counts"].toarray()
    )


def test_symbols_join_where_there_is_no_id_in_any_order(tmp_path, make) -> None:
    rng = np.random.default_rng(5)
    ids = [f"ENSG{i:011d}" for i in range(5)]
    named = make.Planted(
        rng.poisson(2, (3, 5)), ids, ["CD3D", "LYZ", "TBCE", "TBCE", "B2M"], [RNA] * 5
    )
    bare = make.Planted(rng.poisson(2, (2, 4)), [""] * 4, ["B2M", "TBCE", "LYZ", "CD3D"], [RNA] * 4)
    named.h5(tmp_path / "named.h5")
    (tmp_path / "bare.csv").write_bytes(bare.dense())
    table = pd.DataFrame(
        {"sample_id": ["n", "b"], "path": ["named.h5", "bare.csv"], "patient": ["P1", "P2"]}
    )
    for order in ([0, 1], [1, 0]):
        adata = cs.io.read_cohort(table.iloc[order], base=tmp_path)
        genes = ["CD3D", "LYZ", "B2M"]
        assert sorted(adata.var_names) == sorted(genes)
        assert adata.var.loc[genes, "ensembl_id"].tolist() == [ids[0], ids[1], ids[4]]
        np.testing.assert_array_equal(dense(adata, "n", genes), named.counts[:, [0, 1, 4]])
        np.testing.assert_array_equal(dense(adata, "b", genes), bare.counts[:, [3, 2, 0]])
        # a symbol of two genes says nothing about which is meant
        assert adata.uns["cartscope"]["ingest"]["symbols_ambiguous"] == ["TBCE"]


def test_samples_without_a_common_gene_are_an_error(tmp_path, make) -> None:
    for name, ids in {"a": ["ENSG1", "ENSG2"], "b": ["ENSG3", "ENSG4"]}.items():
        make.Planted(np.ones((2, 2), int), ids, ["X", "Y"], [RNA] * 2).h5(tmp_path / f"{name}.h5")
    table = pd.DataFrame(
        {"sample_id": ["a", "b"], "path": ["a.h5", "b.h5"], "patient": ["P1", "P2"]}
    )
    with pytest.raises(InputError, match=r"no feature is common to all of them; check that they"):
        cs.io.read_cohort(table, base=tmp_path)


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_one_broken_sample_stops_the_cohort_and_is_named(cohort, n_jobs) -> None:
    path, _ = cohort
    broken = path.parent / "A" / "matrix.mtx.gz"
    broken.write_bytes(broken.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"A/matrix.mtx.gz: .*fetch or write the file again"):
        cs.io.read_cohort(path, n_jobs=n_jobs)


def test_the_table_of_samples_is_left_as_it_is(cohort) -> None:
    table = cs.io.read_samples(cohort[0])
    before = table.copy(deep=True)
    cs.io.read_cohort(table)
    pd.testing.assert_frame_equal(table, before)


def test_two_cells_of_one_name_are_an_error(tmp_path, make) -> None:
    def one(name, barcode):
        make.Planted(np.ones((1, 2), int), ["E1", "E2"], ["X", "Y"], [RNA] * 2, [barcode]).h5(
            tmp_path / f"{name}.h5"
        )

    one("A", "B_x")
    one("A_B", "x")
    table = pd.DataFrame(
        {"sample_id": ["A", "A_B"], "path": ["A.h5", "A_B.h5"], "patient": ["P1", "P2"]}
    )
    with pytest.raises(InputError, match="two cells are called 'A_B_x'; rename one of the samples"):
        cs.io.read_cohort(table, base=tmp_path)


def test_an_unfiltered_matrix_is_said_in_the_log(cohort, caplog, monkeypatch) -> None:
    monkeypatch.setattr("cartscope.io._cohort._UNFILTERED", 3)
    with caplog.at_level(logging.WARNING, logger="cartscope"):
        cs.io.read_cohort(cohort[0])
    assert "A has 4 barcodes: is it the unfiltered matrix?" in caplog.text
    assert "C has" not in caplog.text


def test_memory_holds_the_result_and_little_more(tmp_path, make, rng) -> None:
    import tracemalloc

    n_genes = 400
    ids = [f"ENSG{i:011d}" for i in range(n_genes)]
    for i in range(12):
        one = make.Planted(rng.poisson(1.5, (250, n_genes)), ids, ids, [RNA] * n_genes)
        one.h5(tmp_path / f"{i}.h5")
    table = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(12)],
            "path": [f"{i}.h5" for i in range(12)],
            "patient": "P1",
        }
    )
    cs.io.read_cohort(table, base=tmp_path)  # what is imported on the way is not counted
    tracemalloc.start()
    counts = cs.io.read_cohort(table, base=tmp_path).layers["counts"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result = counts.data.nbytes + counts.indices.nbytes + counts.indptr.nbytes
    assert result > 4e6
    # joining the samples at the end would hold everything twice
    assert peak < 1.6 * result


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_a_cohort_survives_the_disk_whole(cohort, tmp_path, suffix) -> None:
    adata = cs.io.read_cohort(cohort[0], car_features=["Yescarta"])
    path = tmp_path / f"cells.{suffix}"
    cs.io.write_cells(adata, path)
    back = cs.io.read_cells(path)
    pd.testing.assert_frame_equal(back.obs, adata.obs)
    pd.testing.assert_frame_equal(back.var, adata.var)
    assert back.uns["cartscope"] == adata.uns["cartscope"]
    assert back.X is None
    assert back.layers["counts"].dtype == adata.layers["counts"].dtype
    assert (back.layers["counts"] != adata.layers["counts"]).nnz == 0
    theirs = ad.read_h5ad(path) if suffix == "h5ad" else ad.read_zarr(path)
    pd.testing.assert_frame_equal(theirs.obs, adata.obs)
