from __future__ import annotations

import io
import tarfile

import pytest

from cartscope._errors import IntegrityError
from cartscope.geo import extract, list_members
from cartscope.geo._integrity import check_file


def write_tar(path, infos, mode="w"):
    with tarfile.open(path, mode) as tar:
        for info, data in infos:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def info(name, **attributes):
    made = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


UNSAFE = {
    "absolute": (info("/etc/passwd"), "an absolute path"),
    "backslash": (info("\\windows\\x"), "an absolute path"),
    "drive": (info("C:/x"), "an absolute path"),
    "upwards": (info("a/../../x"), "points out of the archive"),
    "upwards with backslashes": (info("a\\..\\..\\x"), "points out of the archive"),
    "symlink": (info("x", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "a link to '/etc/passwd'"),
    "hard link": (info("x", type=tarfile.LNKTYPE, linkname="a.txt"), "a link to 'a.txt'"),
    "device": (info("x", type=tarfile.CHRTYPE), "neither a file nor a folder"),
    "pipe": (info("x", type=tarfile.FIFOTYPE), "neither a file nor a folder"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_unsafe_members_are_refused_and_nothing_is_written(tmp_path, case):
    bad, says = UNSAFE[case]
    path = write_tar(tmp_path / "x.tar", [(info("a.txt"), b"fine"), (bad, b"")])
    for use in (list_members, check_file, lambda p: extract(p, tmp_path / "out")):
        with pytest.raises(IntegrityError, match=rf"x.tar: member .*{says}"):
            use(path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", UNSAFE)
def test_unsafe_members_of_a_nested_archive_are_found_on_download(tmp_path, case):
    bad, says = UNSAFE[case]
    inner = write_tar(tmp_path / "i.tar.gz", [(bad, b"")], "w:gz").read_bytes()
    path = write_tar(tmp_path / "x.tar", [(info("GSM1_P1.tar.gz"), inner)])
    with pytest.raises(IntegrityError, match=rf"x.tar: member 'GSM1_P1.tar.gz'.*{says}"):
        check_file(path)


def test_members_of_plain_and_gzipped_archives(tmp_path):
    for mode in ("w", "w:gz"):
        folder = info("d", type=tarfile.DIRTYPE)
        path = write_tar(tmp_path / "x", [(folder, b""), (info("./d/a.txt"), b"abc")], mode)
        assert [(m.name, m.size) for m in list_members(path)] == [("d/a.txt", 3)]


def test_size_limit(tmp_path):
    path = write_tar(tmp_path / "x.tar", [(info("a"), b"1" * 600), (info("b"), b"2" * 600)])
    with pytest.raises(IntegrityError, match="unpacks to more than 1,000 bytes"):
        list_members(path, max_bytes=1000)
    with pytest.raises(IntegrityError, match="unpacks to more than 1,000 bytes"):
        extract(path, tmp_path / "out", max_bytes=1000)
    assert not (tmp_path / "out").exists()


def test_a_nested_archive_that_unpacks_without_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("cartscope.geo._integrity.MAX_BYTES", 10_000)
    inner = write_tar(tmp_path / "i.tar.gz", [(info("a"), b"\0" * 50_000)], "w:gz").read_bytes()
    path = write_tar(tmp_path / "x.tar", [(info("GSM1_P1.tar.gz"), inner)])
    with pytest.raises(IntegrityError, match="unpacks to more than 10,000 bytes"):
        check_file(path)


@pytest.mark.parametrize("keep", [100, 700, 1300])
def test_a_cut_off_archive_is_named(tmp_path, keep):
    path = write_tar(tmp_path / "x.tar", [(info("a"), b"1" * 600), (info("b"), b"2" * 600)])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(IntegrityError, match=r"x.tar: .*damaged or cut off"):
        list_members(path)


def test_extract_takes_what_is_asked_for(tmp_path):
    path = write_tar(tmp_path / "x.tar", [(info("d/a.txt"), b"abc"), (info("b.txt"), b"d")])
    out = extract(path, tmp_path / "out", only=lambda name: name.endswith("a.txt"))
    assert out == [tmp_path / "out" / "d" / "a.txt"]
    assert out[0].read_bytes() == b"abc"
    assert [p.name for p in (tmp_path / "out").rglob("*") if p.is_file()] == ["a.txt"]


def test_extract_does_not_follow_a_link_that_was_there_before(tmp_path):
    path = write_tar(tmp_path / "x.tar", [(info("d/a.txt"), b"abc")])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "d").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="would be written outside"):
        extract(path, tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.h5", b"no hdf5", "is not an HDF5 file"),
        ("a.csv.gz", b"plain text", "is not gzip"),
        ("a.csv.gz", b"", "is empty"),
        ("a.csv", b"<html><head><title>x\n y</title>", r"is an HTML page \('x y'\)"),
        ("a.tar", b"\0" * 10240, "holds no file"),
        ("a.tar", b"rubbish" * 300, "damaged or cut off"),
    ],
)
def test_files_that_are_not_what_their_name_says(tmp_path, name, data, says):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=f"{name}: .*{says}"):
        check_file(path)
