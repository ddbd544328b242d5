"""The readers on real matrices of every kind at hand."""

from __future__ import annotations

import io
import tarfile

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError

pytestmark = pytest.mark.reference
SORTED, SORTED_TOO = "CAR-T10310323", "CAR-T10484041"
FAILED = "CAR-T10484033"


def counts(adata):
    return adata.layers["counts"]


def carpall(reference, sample):
    return reference / "carpall" / f"{sample}.filtered_feature_bc_matrix.h5"


def same(one, two) -> None:
    assert one.shape == two.shape
    assert (counts(one) != counts(two)).nnz == 0
    assert list(one.obs_names) == list(two.obs_names)
    pd.testing.assert_frame_equal(one.var, two.var)


def test_the_h5_and_the_triplet_of_the_same_cells_are_equal(reference) -> None:
    h5 = cs.io.read_10x(carpall(reference, SORTED_TOO), car_features=["cat_scfv"])
    mtx = cs.io.read_10x(reference / "carpall" / f"{SORTED_TOO}_mtx", car_features=["CAT_scFv"])
    same(h5, mtx)
    assert h5.shape == (2484, 36_602)
    assert h5.uns["cartscope"]["car_features"] == ["CAT_scFv"]
    assert h5.var.index[-1] == "CAT_scFv"


def test_the_counts_are_the_files_own_arrays(reference) -> None:
    with h5py.File(carpall(reference, SORTED)) as file:
        group = file["matrix"]
        shape = tuple(group["shape"][...])
        theirs = sparse.csc_matrix(
            (group["data"][...], group["indices"][...], group["indptr"][...]), shape=shape
        )
        barcodes = [b.decode() for b in group["barcodes"][...]]
    ours = cs.io.read_10x(carpall(reference, SORTED))
    assert (counts(ours).astype(np.int64) != theirs.T.tocsr()).nnz == 0
    assert list(ours.obs_names) == barcodes


def test_the_car_transcript_is_where_the_authors_table_has_it(reference) -> None:
    table = pd.read_csv(reference / "carpall" / "samples.tsv", sep="\t")
    for row in table.itertuples():
        adata = cs.io.read_10x(carpall(reference, row.sample), car_features=["CAT_scFv"])
        found = counts(adata)[:, adata.var_names.get_loc("CAT_scFv")]
        assert adata.n_obs == row.cells
        assert int((found > 0).sum()) == row.cells_with_CAT_scFv
        assert int(np.median(np.asarray(counts(adata).sum(axis=1)))) == row.median_umi


@pytest.mark.parametrize(
    ("path", "shape", "form"),
    [
        ("1.2.0/filtered_gene_bc_matrices/hg19_chr21", (12, 343), "mtx v2"),
        ("1.2.0/filtered_gene_bc_matrices", (12, 343), "mtx v2"),
        ("1.2.0/filtered_gene_bc_matrices_h5.h5", (12, 343), "h5 v2"),
        ("3.0.0/filtered_feature_bc_matrix", (1107, 507), "mtx v3"),
        ("3.0.0/filtered_feature_bc_matrix.h5", (1107, 507), "h5 v3"),
        ("int-ids", (5, 6), "mtx v3"),
    ],
)
def test_tenxs_own_files(reference, path, shape, form) -> None:
    adata = cs.io.read_10x(reference / "tenx" / path)
    assert adata.shape == shape
    assert adata.uns["cartscope"]["ingest"]["form"] == form
    assert counts(adata).dtype == np.uint8


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("3.0.0/filtered_feature_bc_matrix", "3.0.0/filtered_feature_bc_matrix.h5"),
        ("1.2.0/filtered_gene_bc_matrices", "1.2.0/filtered_gene_bc_matrices_h5.h5"),
    ],
)
def test_both_forms_of_a_tenx_sample_are_equal(reference, one, two) -> None:
    same(cs.io.read_10x(reference / "tenx" / one), cs.io.read_10x(reference / "tenx" / two))


def test_of_several_genomes_one_must_be_chosen(reference) -> None:
    path = reference / "tenx" / "1.2.0" / "multiple_genomes.h5"
    match = r"holds the genomes \['another_genome', 'hg19_chr21'\]; choose one by genome="
    with pytest.raises(InputError, match=match):
        cs.io.read_10x(path)
    assert cs.io.read_10x(path, genome="hg19_chr21").shape == (12, 343)


def test_integer_ids_stay_text(reference) -> None:
    var = cs.io.read_10x(reference / "tenx" / "int-ids").var
    assert var["ensembl_id"].tolist()[0] == "574405"
    assert var.index[0] == "Pwwp4b"


def test_a_geo_like_archive_of_real_libraries(reference, tmp_path) -> None:
    triplet = reference / "carpall" / f"{SORTED_TOO}_mtx"
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz", compresslevel=1) as archive:
        archive.add(triplet, arcname="P11-CART")
    with tarfile.open(tmp_path / "GSE0_RAW.tar", "w") as archive:
        archive.add(carpall(reference, SORTED), arcname="GSM1_P10-CART.h5")
        info = tarfile.TarInfo("GSM2_P11-CART.tar.gz")
        info.size = len(inner.getvalue())
        archive.addfile(info, io.BytesIO(inner.getvalue()))
    same(
        cs.io.read_10x(f"{tmp_path / 'GSE0_RAW.tar'}::GSM2_P11-CART"),
        cs.io.read_10x(carpall(reference, SORTED_TOO)),
    )
    same(
        cs.io.read_10x(f"{tmp_path / 'GSE0_RAW.tar'}::GSM1"),
        cs.io.read_10x(carpall(reference, SORTED)),
    )


def test_the_real_cohort_with_its_failed_library(reference, tmp_path) -> None:
    table = pd.read_csv(reference / "carpall" / "samples.tsv", sep="\t")
    samples = pd.DataFrame(
        {
            "sample_id": table["sample"],
            "path": [str(carpall(reference, sample)) for sample in table["sample"]],
            "patient": table["patient"],
            "sorted": np.where(table["sort"] == "CD3+CAT+", "true", "false"),
        }
    )
    cs.io.write_table(samples, tmp_path / "samples.csv")
    adata = cs.io.read_cohort(tmp_path / "samples.csv", car_features=["CAT_scFv"], n_jobs=2)
    cs.io.validate(adata)
    assert adata.shape == (int(table["cells"].sum()), 36_602)
    totals = np.asarray(counts(adata).sum(axis=1)).ravel()
    medians = pd.Series(totals).groupby(adata.obs["sample"].to_numpy()).median()
    assert medians[FAILED] == 24
    for sample in (SORTED, FAILED):
        alone = cs.io.read_10x(carpall(reference, sample))
        rows = (adata.obs["sample"] == sample).to_numpy()
        assert (counts(adata)[rows] != counts(alone)).nnz == 0
    authors = pd.read_csv(reference / "carpall" / "author_car_t_cells.tsv", sep="\t")
    ours = authors["CellID"].str.rsplit("_", n=1).str[0].isin(samples["sample_id"])
    assert ours.sum() == table["author_car_t_cells"].sum()
    assert authors["CellID"][ours].isin(adata.obs_names).all()


def test_an_h5ad_of_others(reference) -> None:
    path = reference / "kang2k" / "kang_pbmc_2000cells_with_donor.h5ad"
    ours, theirs = cs.io.read_10x(path), ad.read_h5ad(path)
    raw = theirs.layers.get("counts", theirs.X)
    assert (counts(ours).astype(float) != raw).nnz == 0
    assert list(ours.obs_names) == list(theirs.obs_names)
