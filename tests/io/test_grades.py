from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError

HEAD = "patient,crs_grade,nt_grade,scale\n"


@pytest.fixture
def samples() -> pd.DataFrame:
    return pd.DataFrame(
        {"sample_id": ["a", "b", "c"], "path": ["x", "y", "z"], "patient": ["P1", "P1", "P2"]}
    )


def read(tmp_path, text):
    path = tmp_path / "grades.csv"
    path.write_text(text)
    return cs.io.read_grades(path)


def test_grades_reach_every_sample_of_their_patient(tmp_path, samples) -> None:
    before = samples.copy()
    grades = read(tmp_path, HEAD + "P1,2,,ASTCT\n")
    out = cs.io.apply_grades(samples, grades)
    np.testing.assert_array_equal(out["crs_grade"], [2, 2, np.nan])
    np.testing.assert_array_equal(out["nt_grade"], [np.nan] * 3)
    assert out["grade_scale"].tolist() == ["ASTCT", "ASTCT", ""]
    pd.testing.assert_frame_equal(samples, before)


def test_a_grade_that_is_there_stays_where_none_is_given(tmp_path, samples) -> None:
    samples["crs_grade"] = [1.0, 1.0, 4.0]
    out = cs.io.apply_grades(samples, read(tmp_path, HEAD + "P1,,3,\n"))
    assert out["crs_grade"].tolist() == [1.0, 1.0, 4.0]
    np.testing.assert_array_equal(out["nt_grade"], [3, 3, np.nan])


def test_one_grade_column_is_enough(tmp_path, samples) -> None:
    grades = read(tmp_path, "patient,crs_grade\nP2,0\n")
    assert cs.io.apply_grades(samples, grades)["crs_grade"].tolist()[2] == 0.0


def test_an_unknown_patient_is_named_with_the_known_ones(tmp_path, samples) -> None:
    grades = read(tmp_path, HEAD + "p1,2,0,\nP2,1,0,\n")
    match = r"unknown patient\(s\) \['p1'\]; the samples have \['P1', 'P2'\]. Did you mean 'P1'"
    with pytest.raises(InputError, match=match):
        cs.io.apply_grades(samples, grades)


def test_a_contradiction_is_named(tmp_path, samples) -> None:
    samples["crs_grade"] = [1.0, 1.0, np.nan]
    with pytest.raises(InputError, match=r"'P1' has crs_grade 2 in the grades, but 1 in the sampl"):
        cs.io.apply_grades(samples, read(tmp_path, HEAD + "P1,2,0,\n"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (HEAD + "P1,6,0,\n", r"grades.csv: patient 'P1': crs_grade is '6', but must be a whole"),
        (HEAD + "P1,1,x,\n", r"patient 'P1': nt_grade is 'x', but must be a whole grade"),
        (HEAD + "P1,1,1,\nP1,2,2,\n", r"grades.csv: patient 'P1' stands in several rows"),
        ("patient,scale\nP1,ASTCT\n", r"grades.csv: has neither crs_grade nor nt_grade"),
        ("crs_grade\n1\n", r"grades.csv: missing column\(s\) \['patient'\]"),
        ("patient,crs_grad,nt_grade\nP1,1,1\n", r"column 'crs_grad' looks like 'crs_grade'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, match) -> None:
    with pytest.raises(InputError, match=match):
        read(tmp_path, text)
