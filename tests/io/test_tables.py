from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError, SchemaError
from cartscope._schema import DE, INTEGER, NUMBER, TEXT, TRUTH, Schema

SCHEMA = Schema(
    "t.csv",
    {"name": (TEXT, ""), "x": (NUMBER, ""), "n": (INTEGER, ""), "yes": (TRUTH, "")},
)
AWKWARD = [0.1, 1 / 3, 1e-300, 5e-324, -0.0, 1e22, 123456789.123456789, np.nan, np.inf, -np.inf]


@pytest.fixture
def table() -> pd.DataFrame:
    n = len(AWKWARD)
    names = ["NA", "nan", "", "None", 'a "quoted", name', "line\nbreak", "é", "1", "007", " x"]
    return pd.DataFrame(
        {"name": names, "x": AWKWARD, "n": range(n), "yes": [True, False] * (n // 2)}
    )


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_table_comes_back_to_the_last_digit(tmp_path, table, name) -> None:
    before = table.copy(deep=True)
    cs.io.write_table(table, tmp_path / name)
    pd.testing.assert_frame_equal(
        cs.io.read_table(tmp_path / name, SCHEMA), table, check_exact=True
    )
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_the_same_table_gives_the_same_bytes_in_every_place(tmp_path, table, name) -> None:
    for folder in ("a", "b"):
        cs.io.write_table(table, tmp_path / folder / name)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    if name.endswith(".gz"):
        assert (tmp_path / "a" / name).read_bytes()[4:8] == bytes(4)  # no time in the header


def test_random_doubles_survive(tmp_path, rng) -> None:
    values = rng.integers(0, 2**63, size=2000, dtype=np.uint64).view(np.float64)
    values = values[np.isfinite(values)]
    cs.io.write_table(pd.DataFrame({"x": values}), tmp_path / "x.csv")
    np.testing.assert_array_equal(cs.io.read_table(tmp_path / "x.csv")["x"], values)


def test_without_a_schema_only_columns_of_numbers_become_numbers(tmp_path) -> None:
    text = "id,n,x,mixed,code,none,pair\nNA,1,0.5,1,01,,1_2\nb,2,,x,02,,3_4\n"
    (tmp_path / "t.csv").write_text(text)
    out = cs.io.read_table(tmp_path / "t.csv")
    assert out["id"].tolist() == ["NA", "b"]
    assert out["n"].dtype == np.int64
    np.testing.assert_array_equal(out["x"], [0.5, np.nan])
    assert out["mixed"].tolist() == ["1", "x"]
    assert out["code"].tolist() == ["01", "02"]
    assert out["none"].isna().all()
    assert out["pair"].tolist() == ["1_2", "3_4"]


def test_a_number_column_may_have_leading_zeros(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("name,x,n,yes\na,007,02,true\n")
    assert cs.io.read_table(tmp_path / "t.csv", SCHEMA)["x"].tolist() == [7.0]


def test_a_result_table_without_rows_survives(tmp_path) -> None:
    cs.io.write_table(DE.empty(), tmp_path / "de.csv")
    out = cs.io.read_table(tmp_path / "de.csv", DE)
    assert out.empty
    pd.testing.assert_frame_equal(out, DE.check(DE.empty()))


def test_an_earlier_table_stays_when_writing_fails(tmp_path, table) -> None:
    path = tmp_path / "t.csv"
    cs.io.write_table(table, path)
    before = path.read_bytes()

    class Broken(pd.DataFrame):
        def to_csv(self, *args, **kwargs):
            args[0].write("half a li")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        cs.io.write_table(Broken(table), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("name,x,n\na,1,2\n", SchemaError, r"missing columns \['yes'\]"),
        ("name,x,n,yes\na,b,2,True\n", SchemaError, "column 'x' holds 'b', which is no number"),
        ("name,x,n,yes\na,1_0,2,True\n", SchemaError, "column 'x' holds '1_0', which is no numb"),
        ("name,x,n,yes\na,1,2,perhaps\n", SchemaError, "column 'yes' holds 'perhaps'; it must be"),
        ("name,x,n,yes\na,1,,True\n", SchemaError, "column 'n' must be integer"),
        ("name,name\na,b\n", InputError, r"t.csv: column\(s\) \['name'\] stand twice"),
        ("name,x\na,1,2\n", InputError, "t.csv: cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, error, match) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(error, match=match):
        cs.io.read_table(tmp_path / "t.csv", SCHEMA)


def test_missing_truncated_and_misnamed_files(tmp_path, table) -> None:
    with pytest.raises(InputError, match=r"no.csv: no such file"):
        cs.io.read_table(tmp_path / "no.csv")
    with pytest.raises(InputError, match=r"t.xlsx: tables are written as .csv or .csv.gz"):
        cs.io.write_table(table, tmp_path / "t.xlsx")
    data = gzip.compress(b"a,b\n" + b"1,2\n" * 5000)
    (tmp_path / "t.csv.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"t.csv.gz: the file is truncated"):
        cs.io.read_table(tmp_path / "t.csv.gz")
