from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError
from cartscope._schema import SAMPLES

HEAD = "sample_id,path,patient"


@pytest.fixture
def table(tmp_path):
    """Write samples.csv beside two files a.h5 and b.h5, and return its path."""
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).write_bytes(b"x")

    def write(text: str):
        path = tmp_path / "samples.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def fails(path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        cs.io.read_samples(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_the_three_required_columns_are_enough(table, tmp_path) -> None:
    out = cs.io.read_samples(table(f"{HEAD}\nA,a.h5,P1\nB,b.h5,P2\n"))
    assert out.columns.tolist() == ["sample_id", "path", "patient"]
    assert out["path"].tolist() == [str(tmp_path / "a.h5"), str(tmp_path / "b.h5")]


def test_every_known_column_is_spelt_one_way(table) -> None:
    columns = ",".join(SAMPLES.columns)
    first = "A,a.h5,P1,S,day7,7,TRUE,axi-cel,no,2,0.0,r,F,c1,p1,yes,,Yescarta Kymriah"
    second = "B,b.h5,P2,S,,,,,unknown,NA,,NR,male,,,False,Unknown,"
    out = cs.io.read_samples(table(f"{columns}\n{first}\n{second}\n"))
    pd.testing.assert_frame_equal(out, SAMPLES.check(out))
    assert out["sorted"].tolist() == ["true", ""]
    assert out["anakinra"].tolist() == ["false", ""]
    assert out["response"].tolist() == ["R", "NR"]
    assert out["sex"].tolist() == ["female", "male"]
    assert out["tocilizumab_before_sample"].tolist() == ["true", "false"]
    assert out["steroid_before_sample"].tolist() == ["unknown", "unknown"]
    np.testing.assert_array_equal(out["crs_grade"], [2, np.nan])
    np.testing.assert_array_equal(out["nt_grade"], [0, np.nan])
    np.testing.assert_array_equal(out["day"], [7, np.nan])
    assert out["car_features"].tolist() == ["Yescarta Kymriah", ""]


def test_further_columns_are_kept_as_they_are(table) -> None:
    out = cs.io.read_samples(table(f"{HEAD},run,note\nA,a.h5,P1,007,x y\nB,b.h5,P2,,NA\n"))
    assert out["run"].tolist() == ["007", ""]
    assert out["note"].tolist() == ["x y", "NA"]


def test_excels_semicolons_and_byte_order_mark(table) -> None:
    out = cs.io.read_samples(table("\ufeffsample_id;path;patient\nA;a.h5;P1\n"))
    assert out["sample_id"].tolist() == ["A"]


def test_a_path_may_be_a_prefix_or_a_member_of_an_archive(table, tmp_path) -> None:
    (tmp_path / "GSM1_P1_matrix.mtx.gz").write_bytes(b"x")
    (tmp_path / "RAW.tar").write_bytes(b"x")
    out = cs.io.read_samples(table(f"{HEAD}\nA,GSM1_P1_,P1\nB,RAW.tar::GSM2,P2\n"))
    assert out["path"].tolist() == [str(tmp_path / "GSM1_P1_"), f"{tmp_path / 'RAW.tar'}::GSM2"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the file is empty"),
        (f"{HEAD}\n", "has no rows; give one per 10x library"),
        ("sample_id,path\nA,a.h5\n", r"column\(s\) \['patient'\] are missing; it has"),
        (f"{HEAD}\nA,a.h5,P1\nA,b.h5,P1\n", r"sample_id 'A' stands in 2 rows"),
        (f"{HEAD}\nA,a.h5,P1\nB,a.h5,P1\n", r"path .*a.h5' stands in 2 rows \['A', 'B'\]"),
        (f"{HEAD}\nA,no.h5,P1\n", r"path 'no.h5' leads nowhere .*relative to the table"),
        (f"{HEAD}\nA,no.tar::x,P1\n", r"path 'no.tar::x' leads nowhere"),
        (f"{HEAD}\nA,a.h5,\n", r"column 'patient' is empty in line\(s\) \[2\]"),
        (f"{HEAD}\nA 1,a.h5,P1\n", "sample_id 'A 1' holds a space, colon or slash"),
        (f"{HEAD}\nA/1,a.h5,P1\n", "sample_id 'A/1' holds a space, colon or slash"),
        (f"{HEAD},sorted\nA,a.h5,P1,maybe\n", "sample 'A': sorted is 'maybe', but must be true"),
        (f"{HEAD},anakinra\nA,a.h5,P1,2\n", "sample 'A': anakinra is '2', but must be true"),
        (f"{HEAD},crs_grade\nA,a.h5,P1,6\n", "crs_grade is '6', but must be a whole grade from 0"),
        (f"{HEAD},nt_grade\nA,a.h5,P1,1.5\n", "nt_grade is '1.5', but must be a whole grade"),
        (f"{HEAD},nt_grade\nA,a.h5,P1,high\n", "nt_grade is 'high', but must be a whole grade"),
        (f"{HEAD},day\nA,a.h5,P1,D7\n", "day is 'D7', but must be a number or empty"),
        (f"{HEAD},response\nA,a.h5,P1,CR\n", "response is 'CR', but must be NR or R or empty"),
        (f"{HEAD},sex\nA,a.h5,P1,x\n", "sex is 'x', but must be female or male or empty"),
        (f"{HEAD},crs_grad\nA,a.h5,P1,2\n", "column 'crs_grad' looks like 'crs_grade'; rename"),
        (f"{HEAD},CRS grade\nA,a.h5,P1,2\n", "column 'CRS grade' looks like 'crs_grade'"),
        (f"{HEAD},timepiont\nA,a.h5,P1,2\n", "column 'timepiont' looks like 'timepoint'"),
        ("Sample_ID,path,patient\nA,a.h5,P1\n", "column 'Sample_ID' looks like 'sample_id'"),
        (f"{HEAD},sample\nA,a.h5,P1,1\n", "column 'sample' cannot be a column of cells; rename"),
        (f"{HEAD},mg/dl\nA,a.h5,P1,1\n", "column 'mg/dl' cannot be a column of cells; rename"),
        (f"{HEAD},x,x\nA,a.h5,P1,1,2\n", r"column\(s\) \['x'\] stand twice"),
    ],
)
def test_what_is_wrong_is_named(table, text, match) -> None:
    fails(table(text), match)


def test_a_missing_table(tmp_path) -> None:
    fails(tmp_path / "samples.csv", "no such file; check the path")


@pytest.mark.parametrize(
    "column", ["crs_nt_note", "patient_age", "batch", "sample_id2", "product_lot"]
)
def test_columns_of_the_users_own_are_no_typos(table, column) -> None:
    out = cs.io.read_samples(table(f"{HEAD},{column},product\nA,a.h5,P1,1,axi-cel\n"))
    assert out[column].tolist() == ["1"]


@pytest.mark.parametrize(
    ("column", "values", "shown"),
    [
        ("crs_grade", ("1", "2"), "[1.0, 2.0]"),
        ("anakinra", ("true", "no"), "['true', 'false']"),
        ("response", ("R", "NR"), "['R', 'NR']"),
        ("sex", ("f", "m"), "['female', 'male']"),
        ("product", ("axi-cel", "tisa-cel"), "['axi-cel', 'tisa-cel']"),
    ],
)
def test_rows_of_one_patient_may_not_contradict_each_other(table, column, values, shown) -> None:
    import re

    first, second = values
    text = f"{HEAD},{column}\nA,a.h5,P1,{first}\nB,b.h5,P1,{second}\n"
    fails(table(text), re.escape(f"patient 'P1' has {column} {shown}; correct the rows"))


def test_patients_of_two_studies_with_one_name_are_not_one_patient(table) -> None:
    text = f"{HEAD},study\nA,a.h5,1,GSE246490\nB,b.h5,1,GSE197268\n"
    fails(table(text), "patient '1' has study .*; patients of two studies need different names")


def test_a_patients_value_fills_their_other_rows(table) -> None:
    text = f"{HEAD},crs_grade,sex\nA,a.h5,P1,,f\nB,b.h5,P1,3,\n"
    out = cs.io.read_samples(table(text))
    assert out["crs_grade"].tolist() == [3.0, 3.0]
    assert out["sex"].tolist() == ["female", "female"]


def test_what_is_read_can_be_read_again(table, tmp_path) -> None:
    text = f"{HEAD},sorted,crs_grade,run\nA,a.h5,1,true,,x\nB,b.h5,2,,4,\n"
    first = cs.io.read_samples(table(text))
    cs.io.write_table(first, tmp_path / "again.csv")
    pd.testing.assert_frame_equal(cs.io.read_samples(tmp_path / "again.csv"), first)
