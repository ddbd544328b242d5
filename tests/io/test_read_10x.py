from __future__ import annotations

import gzip

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError

GENES = ["CD3D", "TBCE", "LYZ", "TBCE-1"]
RNA = [0, 1, 2, 3]


def holds(adata, planted, rows=RNA) -> None:
    """The planted counts, in the contract's form."""
    counts = adata.layers["counts"]
    assert isinstance(counts, sparse.csr_matrix)
    assert adata.X is None
    assert counts.dtype == np.uint16
    assert counts.indices.dtype == np.int32
    assert counts.has_sorted_indices
    assert counts.data.min() > 0
    assert list(adata.obs_names) == planted.barcodes
    np.testing.assert_array_equal(counts.toarray(), planted.counts[:, rows])


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("v3", [True, False])
@pytest.mark.parametrize("prefix", ["", "GSM1_P1_D7_", "GSM1_P1."])
def test_triplets_of_both_versions_with_any_prefix(tmp_path, planted, make, gz, v3, prefix) -> None:
    make.write(tmp_path, planted.triplet(prefix=prefix, v3=v3, gz=gz))
    adata = cs.io.read_10x(tmp_path)
    holds(adata, planted, RNA if v3 else range(6))
    assert list(adata.var_names[:4]) == GENES
    assert adata.uns["cartscope"]["ingest"]["form"] == ("mtx v3" if v3 else "mtx v2")


@pytest.mark.parametrize("v3", [True, False])
def test_cell_ranger_h5_of_both_versions(tmp_path, planted, v3) -> None:
    adata = cs.io.read_10x(planted.h5(tmp_path / "a.h5", v3=v3))
    holds(adata, planted, RNA if v3 else range(6))
    assert list(adata.var["ensembl_id"][:4]) == ["ENSG1", "ENSG2", "ENSG3", "ENSG4"]


def test_an_h5_or_h5ad_that_geo_gzipped(tmp_path, planted) -> None:
    data = planted.h5(tmp_path / "a.h5").read_bytes()
    (tmp_path / "b.h5.gz").write_bytes(gzip.compress(data))
    holds(cs.io.read_10x(tmp_path / "b.h5.gz"), planted)
    var = pd.DataFrame(index=["CD3D", "TBCE", "LYZ", "TBCE-1"])
    counts = sparse.csr_matrix(planted.counts[:, :4])
    ad.AnnData(counts, pd.DataFrame(index=planted.barcodes), var).write_h5ad(tmp_path / "c.h5ad")
    packed = gzip.compress((tmp_path / "c.h5ad").read_bytes())
    (tmp_path / "d.h5ad.gz").write_bytes(packed)
    holds(cs.io.read_10x(tmp_path / "d.h5ad.gz"), planted)
    (tmp_path / "e.h5ad.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"e.h5ad.gz: the file is truncated"):
        cs.io.read_10x(tmp_path / "e.h5ad.gz")


def test_files_at_the_top_of_an_archive_are_named_by_nothing(tmp_path, planted, make) -> None:
    (tmp_path / "RAW.tar").write_bytes(make.tar(planted.triplet()))
    holds(cs.io.read_10x(f"{tmp_path / 'RAW.tar'}::"), planted)


def test_var_keeps_id_type_and_original_symbol(tmp_path, planted, make) -> None:
    make.write(tmp_path, planted.triplet())
    var = cs.io.read_10x(tmp_path).var
    assert list(var.columns) == ["symbol", "ensembl_id", "feature_type"]
    assert list(var["symbol"]) == ["CD3D", "TBCE", "LYZ", "TBCE"]
    assert list(var.index) == GENES
    assert list(var["ensembl_id"]) == ["ENSG1", "ENSG2", "ENSG3", "ENSG4"]
    assert set(var["feature_type"]) == {"Gene Expression"}


def test_other_feature_types_are_put_aside_and_reported(tmp_path, planted, make) -> None:
    make.write(tmp_path, planted.triplet())
    report = cs.io.read_10x(tmp_path, car_features=["nothing"]).uns["cartscope"]["ingest"]
    assert report["other_features"] == {"Antibody Capture": 1, "Custom": 1}
    assert report["car_features_missing"] == ["nothing"]
    assert str(tmp_path) not in str(report)


@pytest.mark.parametrize("name", ["Yescarta", "YESCARTA", " yescarta "])
def test_a_car_feature_is_found_in_any_case_and_kept_though_custom(
    tmp_path, planted, make, name
) -> None:
    make.write(tmp_path, planted.triplet())
    adata = cs.io.read_10x(tmp_path, car_features=[name])
    holds(adata, planted, [0, 1, 2, 3, 5])
    assert adata.uns["cartscope"]["car_features"] == ["Yescarta"]
    assert adata.var.loc["Yescarta", "feature_type"] == "Custom"


def test_car_features_given_as_one_string_are_refused(tmp_path, planted, make) -> None:
    make.write(tmp_path, planted.triplet())
    with pytest.raises(InputError, match=r"is the string 'Yescarta'; give a list of names"):
        cs.io.read_10x(tmp_path, car_features="Yescarta")


@pytest.mark.parametrize(
    ("matrix", "barcodes", "features"),
    [
        ("P1.mtx.gz", "P1_barcodes.tsv.gz", "P1.genes.tsv.gz"),
        ("P1_counts.mtx.gz", "P1_barcodes.txt.gz", "P1_features.tsv.gz"),
        ("P1_Matrix.MTX.gz", "P1_Barcodes.tsv.gz", "P1_Features.tsv.gz"),
    ],
)
def test_looser_names_of_a_triplet(tmp_path, planted, make, matrix, barcodes, features) -> None:
    files = planted.triplet()
    names = {"matrix.mtx.gz": matrix, "barcodes.tsv.gz": barcodes, "features.tsv.gz": features}
    make.write(tmp_path, {names[name]: data for name, data in files.items()})
    holds(cs.io.read_10x(tmp_path), planted)
    holds(cs.io.read_10x(tmp_path / "P1"), planted)
    holds(cs.io.read_10x(tmp_path / matrix), planted)


def test_the_matrix_file_itself_and_a_prefix_name_one_triplet_of_several(
    tmp_path, planted, make
) -> None:
    other = make.Planted(planted.counts[:2], planted.ids, planted.symbols, planted.types)
    make.write(tmp_path, planted.triplet(prefix="GSM1_P1_"))
    make.write(tmp_path, other.triplet(prefix="GSM2_P10_"))
    for path in ("GSM1_P1_matrix.mtx.gz", "GSM1_P1_", "GSM1_P1", "GSM1", "GSM1_P1_barcodes.tsv.gz"):
        holds(cs.io.read_10x(tmp_path / path), planted)
        holds(cs.io.read_10x(str(tmp_path / path)), planted)
    with pytest.raises(InputError, match=r"holds 2 samples, \['GSM1_P1_', 'GSM2_P10_'\]; name one"):
        cs.io.read_10x(tmp_path)
    with pytest.raises(InputError, match=r"has no sample 'GSM3_P1'.*GSM1_P1_"):
        cs.io.read_10x(tmp_path / "GSM3_P1")


@pytest.mark.parametrize("depth", ["", "sample/", "a/b/filtered_feature_bc_matrix/"])
@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar"])
def test_a_tar_of_one_sample_nested_at_any_depth(tmp_path, planted, make, depth, suffix) -> None:
    path = tmp_path / f"GSM1_P1{suffix}"
    files = planted.triplet(prefix=depth)
    path.write_bytes(make.tar(files, gz=suffix != ".tar"))
    holds(cs.io.read_10x(path), planted)


def test_members_of_a_raw_tar_in_geos_layouts(tmp_path, planted, make) -> None:
    """GSE197268 is described as a RAW.tar of GSM_Patient.tar.gz; others hold loose triplets."""
    few = make.Planted(planted.counts[:3], planted.ids, planted.symbols, planted.types)
    h5 = planted.h5(tmp_path / "x.h5").read_bytes()
    members = {
        "GSM1_P1.tar.gz": make.tar(planted.triplet(prefix="P1/"), gz=True),
        "GSM2_P10.tar.gz": make.tar(few.triplet(prefix="P10/"), gz=True),
        **planted.triplet(prefix="GSM3_P3_"),
        **few.triplet(prefix="GSM4_P30_", v3=False),
        "GSM5_P5_filtered_feature_bc_matrix.h5": h5,
        "GSM6_P6.csv.gz": gzip.compress(planted.dense()),
    }
    raw = tmp_path / "GSE1_RAW.tar"
    raw.write_bytes(make.tar(members))
    for selector in (
        *("GSM1_P1.tar.gz", "GSM1_P1", "GSM1", "GSM3_P3_", "GSM3_P3", "GSM3"),
        *("GSM5", "GSM5_P5_filtered_feature_bc_matrix.h5", "GSM1_P1.tar.gz::P1/"),
    ):
        holds(cs.io.read_10x(f"{raw}::{selector}"), planted)
    assert cs.io.read_10x(f"{raw}::GSM2").n_obs == 3
    assert cs.io.read_10x(f"{raw}::GSM4_P30").shape == (3, 6)
    # a csv beside whole samples is taken only when it is named
    holds(cs.io.read_10x(f"{raw}::GSM6_P6.csv.gz"), planted, range(6))
    with pytest.raises(InputError, match=r"GSE1_RAW.tar: holds 5 samples.*::NAME"):
        cs.io.read_10x(raw)
    with pytest.raises(InputError, match=r"GSE1_RAW.tar: has no sample 'GSM9'"):
        cs.io.read_10x(f"{raw}::GSM9")


def test_a_name_that_begins_another_name_is_not_mistaken_for_it(tmp_path, planted, make) -> None:
    few = make.Planted(planted.counts[:3], planted.ids, planted.symbols, planted.types)
    raw = tmp_path / "RAW.tar"
    raw.write_bytes(
        make.tar(
            {
                **planted.triplet(prefix="Patient1-D7_"),
                **few.triplet(prefix="Patient1-D7-CART_"),
                **few.triplet(prefix="Patient11-D7_"),
                "GSM1_P1.h5": planted.h5(tmp_path / "a.h5").read_bytes(),
                "GSM10_P2.h5": few.h5(tmp_path / "b.h5").read_bytes(),
            }
        )
    )
    holds(cs.io.read_10x(f"{raw}::GSM1"), planted)
    assert cs.io.read_10x(f"{raw}::GSM10").n_obs == 3
    holds(cs.io.read_10x(f"{raw}::Patient1-D7"), planted)
    assert cs.io.read_10x(f"{raw}::Patient1-D7-CART").n_obs == 3
    with pytest.raises(InputError, match=r"holds 2 samples.*give more of the name"):
        cs.io.read_10x(f"{raw}::Patient1-")


def test_large_gzipped_tars_are_read_through_instead_of_held(
    tmp_path, planted, make, monkeypatch
) -> None:
    monkeypatch.setattr("cartscope.io._sources._HELD_BYTES", 10)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(make.tar(planted.triplet(prefix="a/"), gz=True))
    holds(cs.io.read_10x(path), planted)
    path.write_bytes(make.tar({"a.h5": planted.h5(tmp_path / "a.h5").read_bytes()}, gz=True))
    holds(cs.io.read_10x(path), planted)


def test_files_that_macos_leaves_in_archives_are_passed_over(tmp_path, planted, make) -> None:
    junk = {f"P1/._{n}": b"\0\5\26\7" for n in planted.triplet()}
    path = tmp_path / "a.tar.gz"
    files = {**junk, **planted.triplet(prefix="P1/"), "__MACOSX/P1/matrix.mtx.gz": b"x"}
    path.write_bytes(make.tar({**files, "P1/.DS_Store": b"x"}, gz=True))
    holds(cs.io.read_10x(path), planted)


def test_links_in_an_archive_are_no_members(tmp_path, planted, make) -> None:
    import tarfile

    make.write(tmp_path, planted.triplet(prefix="secret_"))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in planted.triplet():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, str(tmp_path / f"secret_{name}")
            archive.addfile(info)
    with pytest.raises(InputError, match=r"a.tar: holds no matrix"):
        cs.io.read_10x(tmp_path / "a.tar")


def test_of_a_cell_ranger_outs_folder_the_filtered_matrix_is_taken(tmp_path, planted, make) -> None:
    outs = tmp_path / "outs"
    raw = make.Planted(
        np.vstack([planted.counts, planted.counts * 0]), planted.ids, planted.symbols, planted.types
    )
    make.write(outs / "raw_feature_bc_matrix", raw.triplet())
    make.write(outs / "filtered_feature_bc_matrix", planted.triplet())
    (outs / "metrics_summary.csv").write_text("cells,7\n")
    holds(cs.io.read_10x(outs / "filtered_feature_bc_matrix"), planted)
    raw.h5(outs / "raw_feature_bc_matrix.h5")
    planted.h5(outs / "filtered_feature_bc_matrix.h5")
    holds(cs.io.read_10x(outs), planted)
    assert cs.io.read_10x(outs / "raw_feature_bc_matrix").n_obs == 14


def test_the_same_file_plain_and_gzipped_is_one_file(tmp_path, planted, make) -> None:
    make.write(tmp_path, {**planted.triplet(), **planted.triplet(gz=False)})
    holds(cs.io.read_10x(tmp_path), planted)


def test_genes_and_features_of_one_prefix_contradict(tmp_path, planted, make) -> None:
    make.write(tmp_path, {**planted.triplet(), **planted.triplet(v3=False)})
    with pytest.raises(InputError, match="could both be the features of one sample; keep one"):
        cs.io.read_10x(tmp_path)


def test_gzip_is_told_by_the_bytes_not_by_the_name(tmp_path, planted, make) -> None:
    plain = {f"{name}.gz": data for name, data in planted.triplet(gz=False).items()}
    make.write(tmp_path / "a", plain)
    holds(cs.io.read_10x(tmp_path / "a"), planted)
    packed = {name.removesuffix(".gz"): data for name, data in planted.triplet().items()}
    make.write(tmp_path / "b", packed)
    holds(cs.io.read_10x(tmp_path / "b"), planted)


def test_gzip_of_several_members_is_read_to_its_end(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    half = len(files["matrix.mtx"]) // 2
    data = files.pop("matrix.mtx")
    files["matrix.mtx.gz"] = gzip.compress(data[:half]) + gzip.compress(data[half:])
    make.write(tmp_path, files)
    holds(cs.io.read_10x(tmp_path), planted)


def test_genes_called_na_or_nan_keep_their_names(tmp_path, planted, make) -> None:
    planted.symbols[:3] = ["NA", "nan", '"None"']
    make.write(tmp_path, planted.triplet())
    assert list(cs.io.read_10x(tmp_path).var_names[:3]) == ["NA", "nan", "None"]


def test_windows_line_ends_and_further_columns_do_no_harm(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    files = {name: data.replace(b"\n", b"\r\n") for name, data in files.items()}
    files["features.tsv"] = files["features.tsv"].replace(b"\r\n", b"\tchr1\t1\t2\r\n")
    make.write(tmp_path, files)
    holds(cs.io.read_10x(tmp_path), planted)


def test_padding_and_quotes_around_fields_are_taken_off(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    lines = files["features.tsv"].decode().splitlines()
    padded = [' "' + line.replace("\t", '" \t "') + '" ' for line in lines]
    files["features.tsv"] = "\n".join(padded).encode()
    files["barcodes.tsv"] = files["barcodes.tsv"].replace(b"\n", b" \n")
    make.write(tmp_path, files)
    holds(cs.io.read_10x(tmp_path), planted)


def test_a_feature_without_a_symbol_is_called_by_its_id(tmp_path, planted, make) -> None:
    planted.symbols[2] = ""
    make.write(tmp_path, planted.triplet())
    assert list(cs.io.read_10x(tmp_path).var_names) == ["CD3D", "TBCE", "ENSG3", "TBCE-1"]


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [(255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)],
)
def test_the_smallest_unsigned_type_that_fits(tmp_path, planted, make, largest, dtype) -> None:
    planted.counts[3, 1] = largest
    make.write(tmp_path, planted.triplet())
    adata = cs.io.read_10x(tmp_path)
    assert adata.layers["counts"].dtype == dtype
    assert adata.layers["counts"].max() == largest
    # the trap that the docstring names: sums are safe, products with small types are not
    assert adata.layers["counts"].sum() == planted.counts[:, RNA].sum()


def test_large_numbers_of_a_type_put_aside_do_not_widen_the_counts(tmp_path, planted, make) -> None:
    planted.counts[3, 1] = 3
    planted.counts[3, 4] = 70_000
    make.write(tmp_path, planted.triplet())
    assert cs.io.read_10x(tmp_path).layers["counts"].dtype == np.uint8


def test_real_typed_integers_are_counts(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    files["matrix.mtx"] = planted.mtx(planted.counts.T.astype(float))
    make.write(tmp_path, files)
    holds(cs.io.read_10x(tmp_path), planted)


def test_stored_zeros_are_taken_out(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    head, _, body = files["matrix.mtx"].partition(b"\n%\n")
    size, _, entries = body.partition(b"\n")
    rows, columns, n = size.split()
    body = b" ".join([rows, columns, str(int(n) + 1).encode()]) + b"\n" + entries + b"1 1 0\n"
    files["matrix.mtx"] = head + b"\n%\n" + body
    make.write(tmp_path, files)
    holds(cs.io.read_10x(tmp_path), planted)


def test_an_h5ad_gives_its_raw_counts(tmp_path, planted) -> None:
    var = pd.DataFrame({"gene_ids": planted.ids[:4]}, index=["CD3D", "TBCE", "LYZ", "TBCE-1"])
    obs = pd.DataFrame(index=planted.barcodes)
    counts = sparse.csr_matrix(planted.counts[:, :4])
    logged = counts.astype(np.float32).log1p()
    ad.AnnData(counts.astype(np.float32), obs, var).write_h5ad(tmp_path / "x.h5ad")
    ad.AnnData(counts.toarray().astype(np.float32), obs, var).write_h5ad(tmp_path / "dense.h5ad")
    ad.AnnData(counts.tocsc(), obs, var).write_h5ad(tmp_path / "csc.h5ad")
    layered = ad.AnnData(logged, obs, var, layers={"counts": counts})
    layered.write_h5ad(tmp_path / "layer.h5ad")
    raw = ad.AnnData(counts.astype(np.float32), obs, var)
    raw.raw = raw.copy()
    raw.X = logged
    raw = raw[:, :2].copy()
    raw.write_h5ad(tmp_path / "raw.h5ad")
    for name in ("x", "dense", "csc", "layer", "raw"):
        adata = cs.io.read_10x(tmp_path / f"{name}.h5ad")
        holds(adata, planted)
        assert list(adata.var["ensembl_id"]) == planted.ids[:4]
    ad.AnnData(logged, obs, var).write_h5ad(tmp_path / "log.h5ad")
    with pytest.raises(InputError, match=r"log.h5ad \(X\): holds the value .* fractional"):
        cs.io.read_10x(tmp_path / "log.h5ad")


def test_an_h5ad_indexed_by_ensembl_id_gets_its_symbols(tmp_path, planted) -> None:
    ids = ["ENSG00000167286", "ENSG00000284770", "ENSG00000090382", "ENSG00000285053"]
    var = pd.DataFrame({"feature_name": planted.symbols[:4]}, index=ids)
    counts = sparse.csr_matrix(planted.counts[:, :4])
    path = tmp_path / "x.h5ad"
    ad.AnnData(counts, pd.DataFrame(index=planted.barcodes), var).write_h5ad(path)
    adata = cs.io.read_10x(path)
    assert list(adata.var_names) == GENES
    assert list(adata.var["ensembl_id"]) == ids


def test_reading_leaves_no_file_behind(tmp_path, planted, make) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(make.tar({"s.tar.gz": make.tar(planted.triplet(), gz=True)}))
    before = sorted(tmp_path.rglob("*"))
    cs.io.read_10x(path)
    assert sorted(tmp_path.rglob("*")) == before
