from __future__ import annotations

import hashlib

import pytest

import cartscope as cs
from cartscope._errors import InputError


def test_a_files_digest_is_its_sha256(tmp_path) -> None:
    data = b"0123456789" * 300_000  # more than a chunk
    (tmp_path / "a").write_bytes(data)
    assert cs.io.sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_a_folders_digest_sees_names_and_contents_but_not_the_place(tmp_path) -> None:
    def folder(name, files):
        for path, data in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(data)
        return cs.io.sha256(tmp_path / name)

    one = folder("one", {"a": b"x", "b/c": b"y"})
    assert folder("same", {"b/c": b"y", "a": b"x"}) == one
    assert folder("renamed", {"a": b"x", "b/d": b"y"}) != one
    assert folder("altered", {"a": b"x", "b/c": b"z"}) != one
    assert folder("moved", {"a": b"xb/c", "d": b"y"}) != one


def test_nothing_there(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no: no such file; check the path"):
        cs.io.sha256(tmp_path / "no")
