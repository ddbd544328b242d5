from __future__ import annotations

import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError


@pytest.fixture
def cells() -> ad.AnnData:
    counts = sparse.csr_matrix(np.array([[1, 0, 2], [0, 3, 0]], dtype=np.uint8))
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(["a", "b"]),
            "patient": pd.Categorical(["P1", "P1"]),
            "sorted": pd.array([True, None], dtype="boolean"),
            "anakinra": [True, True],
            "crs_grade": [1.0, np.nan],
            "day": [7.0, 7.0],
        },
        index=["a_1", "b_1"],
    )
    var = pd.DataFrame({"ensembl_id": ["", "E2", "E3"], "feature_type": "Gene Expression"})
    var.index = ["A", "B", "C"]
    adata = ad.AnnData(obs=obs, var=var, layers={"counts": counts})
    cs.pp.normalize(adata)
    return adata


def test_a_cohort_that_keeps_the_contract_passes_with_or_without_x(cells) -> None:
    cs.io.validate(cells)
    cells.X = None
    cs.io.validate(cells)


def _set(slot, key, value):
    def change(adata) -> None:
        getattr(adata, slot)[key] = value

    return change


def _counts(value):
    return _set("layers", "counts", value)


def _drop(slot, key):
    def change(adata) -> None:
        del getattr(adata, slot)[key]

    return change


def _unsorted(adata) -> None:
    adata.X = None
    adata.layers["counts"] = sparse.csr_matrix(
        (np.array([2, 1, 3], np.uint8), np.array([2, 0, 1]), np.array([0, 2, 3])), shape=(2, 3)
    )


def _unshared(adata) -> None:
    adata.X = adata.X.copy()


def _x(value):
    def change(adata) -> None:
        adata.X = value

    return change


COUNTS = sparse.csr_matrix(np.array([[1, 0, 2], [0, 3, 0]], dtype=np.uint8))
FLOATS = sparse.csr_matrix(np.array([[0.5, 0, 2], [0, 3, 0]]))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_drop("layers", "counts"), "layers['counts'] is missing; put the raw counts there"),
        (_counts(np.ones((2, 3), int)), "layers['counts'] is ndarray; make it scipy.sparse.csr"),
        (_counts(COUNTS.astype(np.int64)), "layers['counts'] is int64; store counts in an unsig"),
        (_counts(FLOATS), "layers['counts'] is float64; store counts in an unsigned integer type"),
        (_counts(FLOATS), "holds np.float64(0.5), which is not an integer"),
        (_unsorted, "layers['counts'] has unsorted indices; call its sort_indices()"),
        (_unshared, "X and layers['counts'] do not share indices and indptr"),
        (_x(np.ones((2, 3))), "X is ndarray; derive it from the counts with cs.pp.normalize"),
        (_x(FLOATS.astype(int)), "X is int64; it holds log1p of normalized counts"),
        (_drop("obs", "sample"), "obs['sample'] is missing; name it in samples.csv"),
        (_set("obs", "patient", [None, "P1"]), "obs['patient'] is missing in 1 cells; fill it"),
        (_set("obs", "sample", ["a", "a"]), None),
        (_set("obs", "sorted", ["true", ""]), "obs['sorted'] is object; make it boolean"),
        (_set("obs", "crs_grade", [6, 1]), "obs['crs_grade'] holds values that are no grade"),
        (_set("obs", "crs_grade", ["high", "1"]), "obs['crs_grade'] holds values that are no gr"),
        (_set("obs", "day", ["D7", "D7"]), "obs['day'] is object; use days as numbers"),
        (_set("obs", "car_status", ["CAR+", "negative"]), "obs['car_status'] holds ['CAR+']; use"),
        (_set("obs", "sex", ["F", None]), "obs['sex'] holds ['F']; use ['female', 'male']"),
        (_set("obs", "steroid_before_sample", ["true", "no"]), "holds ['no']; use ['true', 'fal"),
        (_set("obs", "nt_grade", [1, 2]), "patient(s) ['P1'] have several nt_grade; correct th"),
        (_drop("var", "ensembl_id"), "var['ensembl_id'] is missing; cs.io.read_10x and read_coh"),
        (_drop("var", "feature_type"), "var['feature_type'] is missing"),
    ],
)
def test_each_violation_is_named_with_its_cure(cells, change, match) -> None:
    change(cells)
    if match is None:
        cs.io.validate(cells)
        return
    with pytest.raises(InputError, match=re.escape(match)):
        cs.io.validate(cells)


def test_names_that_stand_twice(cells) -> None:
    cells.var.index = ["A", "A", "B"]
    with pytest.raises(InputError, match=r"var_names are not unique \('A'\); make them so"):
        cs.io.validate(cells)
    cells.obs.index = ["x", "x"]
    with pytest.raises(InputError, match=r"obs_names are not unique \('x'\)"):
        cs.io.validate(cells)


def test_a_sample_of_two_patients(cells) -> None:
    cells.obs["sample"], cells.obs["patient"] = ["a", "a"], ["P1", "P2"]
    with pytest.raises(InputError, match=r"sample\(s\) \['a'\] belong to several patients"):
        cs.io.validate(cells)


def test_all_violations_stand_in_one_error(cells) -> None:
    del cells.obs["patient"], cells.var["ensembl_id"], cells.layers["counts"]
    match = r"in 3 point\(s\): \(1\) layers.*\(2\) obs\['patient'\].*\(3\) var\['ensembl_id'\]"
    with pytest.raises(InputError, match=match):
        cs.io.validate(cells)


def test_nothing_is_changed(cells) -> None:
    before = cells.copy()
    cs.io.validate(cells)
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert (cells.X != before.X).nnz == 0
