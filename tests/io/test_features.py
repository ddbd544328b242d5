from __future__ import annotations

import warnings

import pandas as pd
import pytest
from anndata.utils import make_index_unique
from hypothesis import given
from hypothesis import strategies as st

from cartscope._errors import InputError
from cartscope.io._features import check_car_names, feature_table, join_id, match_car, unique_names


@given(st.lists(st.sampled_from(["A", "B", "A-1", "A-2", "B-1", "C"]), max_size=12))
def test_names_are_made_unique_as_anndata_does(names) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata warns of names that end in -1
        wanted = list(make_index_unique(pd.Index(names, dtype=object))) if names else []
    assert unique_names(names) == wanted


@pytest.mark.reference
def test_a_real_reference_has_symbols_that_stand_twice(reference) -> None:
    genes = pd.read_csv(
        reference / "genes" / "GRCh38-2020-A.tsv.gz", sep="\t", dtype=str, header=None
    )
    symbols = genes.iloc[:, 1].tolist()
    unique = unique_names(symbols)
    changed = [s for s, u in zip(symbols, unique, strict=True) if s != u]
    assert len(set(unique)) == len(symbols) == 36_601
    assert 0 < len(changed) < 30


@pytest.mark.parametrize(
    ("given_id", "joined"),
    [
        ("ENSG00000141510.17", "ENSG00000141510"),
        ("ENSMUSG00000059552.5", "ENSMUSG00000059552"),
        ("ENSG00000182378.14_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("AC007325.2", "AC007325.2"),
        ("574405", "574405"),
    ],
)
def test_only_the_version_of_an_ensembl_id_is_dropped(given_id, joined) -> None:
    assert join_id(given_id) == joined


def test_a_car_feature_is_found_by_symbol_or_id_but_not_by_part_of_a_name() -> None:
    table = feature_table(["ENSG1", "CAT_scFv", "x"], ["CD19", "CAR", "CAT_scFv_2"])
    assert match_car(table, ["cat_SCFV", "car", "scFv"]) == {
        "cat_SCFV": [1],
        "car": [1],
        "scFv": [],
    }


def test_car_names_are_stripped_and_each_taken_once() -> None:
    assert check_car_names([" Yescarta", "YESCARTA", "", "Kymriah"]) == ("Yescarta", "Kymriah")
    with pytest.raises(InputError, match=r"car_features is the string 'Yescarta'; give a list"):
        check_car_names("Yescarta")
