from __future__ import annotations

import gzip

import numpy as np
import pytest

import cartscope as cs
from cartscope._errors import InputError
from cartscope.io._dense import cells_axis


def holds(adata, planted) -> None:
    np.testing.assert_array_equal(adata.layers["counts"].toarray(), planted.counts)
    assert list(adata.obs_names) == planted.barcodes
    assert list(adata.var["symbol"]) == planted.symbols


@pytest.mark.parametrize("genes_in_rows", [True, False])
@pytest.mark.parametrize(("suffix", "separator"), [("csv", ","), ("tsv", "\t"), ("txt", " ")])
@pytest.mark.parametrize("gz", [True, False])
def test_both_orientations_and_every_separator(
    tmp_path, planted, genes_in_rows, suffix, separator, gz
) -> None:
    data = planted.dense(genes_in_rows=genes_in_rows, separator=separator)
    path = tmp_path / f"GSM1_counts.{suffix}{'.gz' if gz else ''}"
    path.write_bytes(gzip.compress(data) if gz else data)
    holds(cs.io.read_10x(path), planted)


def test_a_table_in_many_chunks_is_the_same_table(tmp_path, planted, monkeypatch) -> None:
    monkeypatch.setattr("cartscope.io._dense._VALUES_AT_ONCE", 16)
    for genes_in_rows in (True, False):
        path = tmp_path / "a.csv"
        path.write_bytes(planted.dense(genes_in_rows=genes_in_rows))
        holds(cs.io.read_10x(path), planted)


def test_rs_header_without_a_corner_quotes_and_a_byte_order_mark(tmp_path, planted) -> None:
    lines = planted.dense(separator="\t").decode().splitlines()
    lines[0] = "\t".join(f'"{b}"' for b in planted.barcodes)
    lines[1:] = [f'"{line.split(chr(9))[0]}"\t' + line.split("\t", 1)[1] for line in lines[1:]]
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    holds(cs.io.read_10x(path), planted)


def test_ensembl_ids_as_labels_are_ids(tmp_path, planted) -> None:
    planted.symbols = [f"ENSG{i:011d}" for i in range(6)]
    (tmp_path / "a.csv").write_bytes(planted.dense())
    adata = cs.io.read_10x(tmp_path / "a.csv")
    assert list(adata.var["ensembl_id"]) == planted.symbols


@pytest.mark.parametrize(
    ("rows", "columns", "axis"),
    [
        (["CD3D", "LYZ"], ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1"], "columns"),
        (["P1_AAACCTGAGAAACCAT", "P1_AAACCTGAGAAACCGC"], ["CD3D", "LYZ"], "rows"),
        (["ENSG00000167286", "ENSG00000090382"], ["cell1", "cell2"], "columns"),
        (["cell1", "cell2"], ["ENSMUSG00000032094", "ENSMUSG00000069516.3"], "rows"),
        (["c1", "c2"], ["ACTB", "GAPDH", "MALAT1"], "rows"),
        (["Actb", "Gapdh", "Malat1"], ["c1", "c2"], "columns"),
        (["c1", "c2"], ["ACTB", "GAPDH"], None),
        (["a", "b"], ["c", "d"], None),
        (["ACTB", "GAPDH", "B2M"], ["ACTB", "GAPDH", "B2M"], None),
        (["AAACCTGAGAAACCAT"], ["AAACCTGAGAAACCGC"], None),
    ],
)
def test_the_rule_that_tells_cells_from_genes(rows, columns, axis) -> None:
    assert cells_axis(rows, columns) == axis


def test_labels_that_do_not_tell_are_an_error_until_the_user_tells(tmp_path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",c,d\na,1,2\nb,3,0\n")
    with pytest.raises(InputError, match=r"a.csv: cannot tell cells from genes \(rows begin"):
        cs.io.read_10x(path)
    by_row = cs.io.read_10x(path, cells="rows")
    by_column = cs.io.read_10x(path, cells="columns")
    assert list(by_row.obs_names) == ["a", "b"]
    assert list(by_column.obs_names) == ["c", "d"]
    np.testing.assert_array_equal(
        by_row.layers["counts"].toarray(), by_column.layers["counts"].toarray().T
    )


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("1.5", "holds the value 1.5, which is fractional"),
        ("-1", "holds the value -1, which is negative"),
        ("", "column 2 holds an empty field, a missing"),
        ("NA", "column 2 holds 'NA', a missing"),
        ("x", "column 2 holds 'x' where a count should stand"),
        ("inf", "infinite"),
    ],
)
def test_values_that_are_no_counts(tmp_path, planted, value, match) -> None:
    lines = planted.dense().decode().splitlines()
    fields = lines[3].split(",")
    lines[3] = ",".join([fields[0], value, *fields[2:]])
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=f"a.csv: .*{match}"):
        cs.io.read_10x(path)


def test_rows_of_unequal_length_and_a_lone_header(tmp_path, planted) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(planted.dense() + b"extra,1,2\n")
    with pytest.raises(InputError, match=r"a.csv: "):
        cs.io.read_10x(path)
    path.write_bytes(planted.dense().splitlines()[0] + b"\n")
    with pytest.raises(InputError, match=r"a.csv: "):
        cs.io.read_10x(path)
    path.write_bytes(planted.dense() + b"extra" + b",1" * 12 + b"\n")
    with pytest.raises(InputError, match=r"a.csv: cannot be read"):
        cs.io.read_10x(path)


def test_cells_that_stand_twice_are_found(tmp_path, planted) -> None:
    planted.barcodes[2] = planted.barcodes[1]
    (tmp_path / "a.csv").write_bytes(planted.dense())
    with pytest.raises(InputError, match="1 duplicate barcode"):
        cs.io.read_10x(tmp_path / "a.csv")


def test_a_truncated_gzip(tmp_path, planted) -> None:
    data = gzip.compress(planted.dense() * 50)
    (tmp_path / "a.csv.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"a.csv.gz: .*(truncated|cannot be read)"):
        cs.io.read_10x(tmp_path / "a.csv.gz")
