"""Every broken file gives one clear line that names it."""

from __future__ import annotations

import gzip

import h5py
import numpy as np
import pytest

import cartscope as cs
from cartscope._errors import CartscopeError, InputError


def fails(path, match: str) -> str:
    with pytest.raises(InputError, match=match) as caught:
        cs.io.read_10x(path)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    return text


def test_a_missing_path(tmp_path) -> None:
    fails(tmp_path / "no" / "where.h5", "where.h5: no such file or folder; check the path")
    fails(f"{tmp_path / 'RAW.tar'}::GSM1", "RAW.tar: no such file or folder")
    fails(tmp_path / "absent.h5", "has no sample 'absent.h5'; it holds no matrix at all")


def test_an_empty_folder_and_a_file_of_no_known_form(tmp_path) -> None:
    fails(tmp_path, "holds no matrix; expected a triplet")
    (tmp_path / "a.rds").write_bytes(b"x")
    fails(tmp_path / "a.rds", "a.rds: is of no known form; give a folder, .h5")


@pytest.mark.parametrize("role", ["barcodes", "features"])
def test_a_missing_member(tmp_path, planted, make, role) -> None:
    files = {n: d for n, d in planted.triplet(prefix="P1_").items() if role not in n}
    make.write(tmp_path / "a", files)
    fails(tmp_path / "a", rf"P1_matrix.mtx.gz: {role}.tsv.* is missing beside it")
    (tmp_path / "a.tar.gz").write_bytes(make.tar(files, gz=True))
    fails(tmp_path / "a.tar.gz", rf"a.tar.gz::P1_matrix.mtx.gz: {role}.tsv.* is missing beside it")


def test_barcodes_without_a_matrix(tmp_path, planted, make) -> None:
    files = {n: d for n, d in planted.triplet().items() if "matrix" not in n}
    make.write(tmp_path, files)
    fails(tmp_path, "holds no matrix")


def test_dimensions_that_do_not_fit(tmp_path, planted, make) -> None:
    for name, files in {
        "short": {"barcodes.tsv": b"".join(b"%d\n" % i for i in range(6))},
        "long": {"barcodes.tsv": b"x\n" + planted.triplet(gz=False)["barcodes.tsv"]},
        "turned": {"matrix.mtx": planted.mtx(planted.counts)},
    }.items():
        make.write(tmp_path / name, {**planted.triplet(gz=False), **files})
    fails(tmp_path / "short", r"matrix.mtx: is 6 x 7, but expected 6 features .* x 6 barcodes")
    fails(tmp_path / "long", "one line too many: is there a header line to take out")
    fails(tmp_path / "turned", "the matrix is transposed: write it features x barcodes")


@pytest.mark.parametrize(
    ("value", "what"),
    [("-2", "-2, which is negative"), ("0.5", "0.5, which is fractional")],
)
def test_values_that_are_no_counts(tmp_path, planted, make, value, what) -> None:
    files = planted.triplet(gz=False)
    text = planted.mtx(planted.counts.T.astype(float)).decode()
    lines = text.splitlines()
    lines[-1] = " ".join([*lines[-1].split()[:2], value])
    files["matrix.mtx"] = "\n".join(lines).encode()
    make.write(tmp_path, files)
    fails(tmp_path, f"matrix.mtx: holds the value {what}; give raw counts")


def test_nan_is_no_count(tmp_path, planted) -> None:
    path = planted.h5(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        values = file["matrix/data"][...].astype(float)
        del file["matrix/data"]
        values[2] = np.nan
        file["matrix/data"] = values
    fails(path, r"a.h5: holds the value nan, which is missing \(nan\)")


def test_a_features_file_with_a_short_line_or_only_blank_ones(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    lines = files["features.tsv"].splitlines()
    lines[2] = b"ENSG3"
    make.write(tmp_path / "a", {**files, "features.tsv": b"\n".join(lines)})
    fails(tmp_path / "a", r"features.tsv, line 3: has 1 column\(s\) where others have more")
    make.write(tmp_path / "b", {**files, "features.tsv": b"\n\n"})
    fails(tmp_path / "b", "features.tsv: the file is empty")
    make.write(tmp_path / "c", {**files, "barcodes.tsv": b"\xff\xfe"})
    fails(tmp_path / "c", "barcodes.tsv: cannot be read")


def test_duplicate_barcodes(tmp_path, planted, make) -> None:
    planted.barcodes[4] = planted.barcodes[1]
    make.write(tmp_path, planted.triplet())
    text = fails(tmp_path, r"matrix.mtx.gz: 1 duplicate barcode\(s\), the first")
    assert planted.barcodes[1] in text


def test_an_entry_given_twice(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    lines = files["matrix.mtx"].decode().splitlines()
    rows, columns, n = lines[2].split()
    lines[2] = f"{rows} {columns} {int(n) + 1}"
    files["matrix.mtx"] = "\n".join([*lines, lines[-1]]).encode()
    make.write(tmp_path, files)
    fails(tmp_path, "matrix.mtx: gives some entries twice")


@pytest.mark.parametrize("name", ["matrix.mtx", "barcodes.tsv", "features.tsv"])
@pytest.mark.parametrize("packed", [True, False])
def test_an_empty_file(tmp_path, planted, make, name, packed) -> None:
    empty = {f"{name}.gz": gzip.compress(b"")} if packed else {name: b""}
    files = {n: d for n, d in planted.triplet().items() if not n.startswith(name)}
    make.write(tmp_path, {**files, **empty})
    fails(tmp_path, f"{name}.*: the file is empty; fetch it again")


def big(make, n=3000):
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0, size=(n, 6))
    symbols = [f"G{i}" for i in range(6)]
    return make.Planted(counts, symbols, symbols, ["Gene Expression"] * 6)


@pytest.mark.parametrize("name", ["matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"])
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_a_truncated_gzip(tmp_path, make, name, share) -> None:
    files = big(make).triplet()
    files[name] = files[name][: int(len(files[name]) * share)]
    make.write(tmp_path, files)
    fails(tmp_path, f"{name}: .*(truncated|cannot be read).*; fetch or write the file again")


def test_a_gzip_with_altered_bytes(tmp_path, make) -> None:
    files = big(make).triplet()
    data = bytearray(files["matrix.mtx.gz"])
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(8)
    make.write(tmp_path, {**files, "matrix.mtx.gz": bytes(data)})
    fails(tmp_path, "matrix.mtx.gz: ")


def test_a_plain_matrix_that_ends_too_soon_or_names_a_cell_beyond(tmp_path, make) -> None:
    files = big(make).triplet(gz=False)
    lines = files["matrix.mtx"].splitlines(keepends=True)
    make.write(tmp_path / "a", {**files, "matrix.mtx": b"".join(lines[:-5])})
    fails(tmp_path / "a", "matrix.mtx: cannot be read")
    make.write(tmp_path / "b", {**files, "matrix.mtx": b"".join(lines[:-1]) + b"7 1 1\n"})
    fails(tmp_path / "b", "matrix.mtx: cannot be read")


def test_a_file_that_is_no_matrix_market(tmp_path, planted, make) -> None:
    files = planted.triplet(gz=False)
    make.write(tmp_path / "a", {**files, "matrix.mtx": b"1 1 1\n"})
    fails(tmp_path / "a", "matrix.mtx: is no MatrixMarket file")
    page = b"<!DOCTYPE html><html><body>404</body></html>"
    make.write(tmp_path / "b", {**files, "matrix.mtx": page})
    fails(tmp_path / "b", "matrix.mtx: holds a web page instead of data")
    head = b"%%MatrixMarket matrix coordinate pattern general\n6 7 1\n1 1\n"
    make.write(tmp_path / "c", {**files, "matrix.mtx": head})
    fails(tmp_path / "c", "matrix.mtx: must be a coordinate matrix of counts")


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_archive(tmp_path, make, gz, share) -> None:
    data = make.tar(big(make).triplet(prefix="P1/"), gz=gz)
    path = tmp_path / ("a.tar.gz" if gz else "a.tar")
    path.write_bytes(data[: int(len(data) * share)])
    fails(path, rf"{path.name}.*(truncated|damaged|missing beside)")


def test_a_truncated_archive_inside_an_archive_is_named(tmp_path, make) -> None:
    inner = make.tar(big(make).triplet(prefix="P1/"), gz=True)
    (tmp_path / "RAW.tar").write_bytes(make.tar({"GSM1.tar.gz": inner[: len(inner) // 2]}))
    fails(tmp_path / "RAW.tar", "RAW.tar::GSM1.tar.gz: the file is truncated")


def test_something_else_called_tar(tmp_path) -> None:
    (tmp_path / "a.tar").write_bytes(b"<html>" * 300)
    fails(tmp_path / "a.tar", "a.tar: truncated or damaged tar archive")
    (tmp_path / "b.tar").write_bytes(b"")
    fails(tmp_path / "b.tar", "b.tar: ")


def test_h5_files_that_are_none_or_broken(tmp_path, planted) -> None:
    (tmp_path / "a.h5").write_bytes(b"nothing")
    fails(tmp_path / "a.h5", "a.h5: cannot be read")
    whole = planted.h5(tmp_path / "b.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(whole[: len(whole) // 2])
    fails(tmp_path / "b.h5", "b.h5: cannot be read")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["other"] = 1
    fails(tmp_path / "c.h5", r"c.h5: is no Cell Ranger .h5 \(it holds \['other'\]\)")
    fails(planted.h5(tmp_path / "d.h5").rename(tmp_path / "d.h5ad"), r"d.h5ad: is no .h5ad")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("shape", np.array([6, 8], np.int32), "is 6 x 8 by its shape, but has 6 features and 7"),
        ("indices", None, "names a feature beyond its 6"),
        ("indptr", None, "its index pointers do not fit"),
        ("data", None, "is negative"),
    ],
)
def test_an_h5_that_contradicts_itself(tmp_path, planted, key, value, match) -> None:
    path = planted.h5(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        node = file[f"matrix/{key}"]
        if value is None:
            value = node[...]
            value[3] = {"indices": 99, "indptr": 9999, "data": -1}[key]
        node[...] = value
    fails(path, f"a.h5: .*{match}")


def test_a_sample_without_cells_or_without_genes(tmp_path, planted, make) -> None:
    none = make.Planted(np.zeros((0, 6), int), planted.ids, planted.symbols, planted.types)
    fails(none.h5(tmp_path / "a.h5"), "a.h5: holds 0 cells and 6 features")
    planted.types = ["Antibody Capture"] * 6
    make.write(tmp_path / "b", planted.triplet())
    fails(tmp_path / "b", r"has no 'Gene Expression' feature, only \{'Antibody Capture': 6\}")


def test_a_genome_that_is_not_there(tmp_path, planted) -> None:
    with pytest.raises(InputError, match=r"has no genome 'mm10'; it holds \['hg38'\]"):
        cs.io.read_10x(planted.h5(tmp_path / "a.h5", v3=False), genome="mm10")
    with pytest.raises(InputError, match=r"has no genome 'mm10'; it holds \['GRCh38'\]"):
        cs.io.read_10x(planted.h5(tmp_path / "b.h5"), genome="mm10")


def test_looking_into_what_is_no_archive(tmp_path, planted) -> None:
    path = planted.h5(tmp_path / "a.h5")
    fails(f"{path}::x", "a.h5: is no tar archive, so 'x' cannot be looked up in it")


def test_every_error_is_one_of_cartscopes(tmp_path) -> None:
    with pytest.raises(CartscopeError):
        cs.io.read_10x(tmp_path)
