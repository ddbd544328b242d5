from __future__ import annotations

import pytest

from cartscope.geo import TarMember
from cartscope.geo._members import group_members, gsm_of


def units(*names):
    return group_members([TarMember(name, 10) for name in names])


def test_flat_triplets_share_their_prefix():
    found = units(
        "GSM1_P1_D7_barcodes.tsv.gz",
        "GSM1_P1_D7_features.tsv.gz",
        "GSM1_P1_D7_matrix.mtx.gz",
        "GSM2_P1_D7_CART.barcodes.tsv",
        "GSM2_P1_D7_CART.genes.tsv",
        "GSM2_P1_D7_CART.matrix.mtx",
    )
    assert [(u.select, u.gsm, u.stem, len(u.members), u.problem, u.other) for u in found] == [
        ("GSM1_P1_D7_", "GSM1", "P1_D7", 3, "", ""),
        ("GSM2_P1_D7_CART.", "GSM2", "P1_D7_CART", 3, "", ""),
    ]
    assert found[0].size == 30


def test_triplets_in_folders():
    found = units(
        "GSM1_P1/barcodes.tsv.gz",
        "GSM1_P1/features.tsv.gz",
        "GSM1_P1/matrix.mtx.gz",
        "run/GSM2/P2_barcodes.tsv.gz",
        "run/GSM2/P2_features.tsv.gz",
        "run/GSM2/P2_matrix.mtx.gz",
    )
    assert [(u.select, u.gsm, u.problem) for u in found] == [
        ("GSM1_P1/", "GSM1", ""),
        ("run/GSM2/P2_", "GSM2", ""),
    ]
    assert found[0].stem == "P1"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["GSM1_barcodes.tsv.gz", "GSM1_matrix.mtx.gz"], "the triplet has no features file"),
        (["GSM1_features.tsv.gz"], "the triplet has no barcodes and no matrix file"),
    ],
)
def test_incomplete_triplets_say_what_is_missing(names, says):
    assert [u.problem for u in units(*names)] == [says]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("GSM5911992_Patient6-D7-CART.tar.gz", "Patient6-D7-CART"),
        ("GSM1_P1_D7_filtered_feature_bc_matrix.h5", "P1_D7"),
        ("GSM1-P1.filtered_gene_bc_matrices.h5", "P1"),
        ("GSM1_P1_raw_feature_bc_matrix.h5", "P1"),
        ("GSM1_P1.h5ad", "P1"),
        ("GSM1_P1_counts.csv.gz", "P1"),
        ("GSM1_P1.dge.txt.gz", "P1"),
        ("GSMSIM0001_SIM-Anakinra-01-D7.tgz", "SIM-Anakinra-01-D7"),
        ("Patient1-D7.tar.gz", "Patient1-D7"),
    ],
)
def test_whole_files_and_their_stems(name, stem):
    (unit,) = units(name)
    assert (unit.select, unit.stem, unit.other, unit.problem) == (name, stem, "", "")


@pytest.mark.parametrize(
    "name",
    [
        "GSM1_P1_filtered_contig_annotations.csv.gz",
        "GSM1_P1_clonotypes.csv.gz",
        "GSM1_metadata.csv.gz",
        "GSM1_P1_molecule_info.h5",
        "GSM1_P1_fragments.tsv.gz",
        "filelist.txt",
    ],
)
def test_what_is_no_matrix_says_so(name):
    assert [u.other for u in units(name)] == ["not a count matrix, by its name"]


def test_what_is_of_no_known_form_says_so():
    assert [u.other for u in units("GSM1_P1.rds", "all_samples.csv.gz", "x.xlsx")] == [
        "of no known form, by its name"
    ] * 3


def test_resource_files_of_macos_are_no_samples():
    assert [u.other for u in units("._GSM1_P1.h5", "__MACOSX/GSM1_P1.h5")] == [
        "a macOS resource file"
    ] * 2


def test_the_filtered_matrix_wins_over_the_raw_one():
    found = units(
        "GSM1_P1_filtered_feature_bc_matrix.h5",
        "GSM1_P1_raw_feature_bc_matrix.h5",
        "GSM2_P2_raw_feature_bc_matrix.h5",
    )
    assert [bool(u.other) for u in found] == [False, True, False]
    assert "the filtered matrix of this sample is used" in found[1].other


@pytest.mark.parametrize(
    ("name", "gsm"),
    [
        ("GSM5911983_x.h5", "GSM5911983"),
        ("GSMSIM0001_x.h5", "GSMSIM0001"),
        ("gsm12.x.h5", "GSM12"),
        ("d/GSM1/matrix.mtx.gz", "GSM1"),
        ("XGSM1_x.h5", ""),
        ("Patient1.h5", ""),
    ],
)
def test_the_accession_is_read_from_the_name(name, gsm):
    assert gsm_of(name) == gsm
