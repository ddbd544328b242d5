"""Which files of a folder or an archive make one sample."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Literal

from cartscope._errors import InputError
from cartscope.io._sources import (
    INSIDE,
    TAR_SUFFIXES,
    Member,
    from_disk,
    list_folder,
    list_tar,
)

Kind = Literal["triplet", "h5", "h5ad", "tar", "dense"]
_MATRIX = re.compile(r"^(?P<prefix>.*?)(?:matrix|counts)?\.mtx(?:\.gz)?$", re.IGNORECASE)
_BESIDE = re.compile(
    r"^(?P<prefix>.*?)(?P<role>barcodes|features|genes)\.(?:tsv|txt)(?:\.gz)?$", re.IGNORECASE
)
_DENSE = re.compile(r"\.(?:csv|tsv|txt)(?:\.gz)?$", re.IGNORECASE)
_SHOWN = 8  # names listed in a message


@dataclass(frozen=True)
class Unit:
    """The files of one sample: a triplet by role, or a single file under ``"file"``."""

    kind: Kind
    name: str
    files: dict[str, Member]
    label: str


def units_of(members: list[Member]) -> list[Unit]:
    """Group files into samples, by name.

    Parameters
    ----------
    members
        Files of one folder or archive. A csv, tsv or txt that is part of no triplet counts as a
        sample only where there is nothing else: beside matrices it is a table about them.
    """
    whole, loose = _group(members)
    return whole or loose


def _group(members: list[Member]) -> tuple[list[Unit], list[Unit]]:
    triplets: dict[str, dict[str, Member]] = {}
    single: list[Unit] = []
    loose: list[Unit] = []
    for member in members:
        lower = member.base.lower()
        placed = _role(member)
        if placed is not None:
            # P1.mtx, P1_barcodes.tsv and P1.genes.tsv are of one sample
            _place(triplets.setdefault(_bare(placed[0]), {}), placed[1], member)
        elif lower.endswith((".h5ad", ".h5ad.gz")):
            single.append(Unit("h5ad", member.name, {"file": member}, member.label))
        elif lower.endswith((".h5", ".hdf5", ".h5.gz")) and "molecule_info" not in lower:
            single.append(Unit("h5", member.name, {"file": member}, member.label))
        elif lower.endswith(TAR_SUFFIXES):
            single.append(Unit("tar", member.name, {"file": member}, member.label))
        elif _DENSE.search(lower):
            loose.append(Unit("dense", member.name, {"file": member}, member.label))
    whole = [
        Unit("triplet", _role(files["matrix"])[0], files, files["matrix"].label)
        for files in triplets.values()
        if "matrix" in files
    ]
    return sorted(whole + single, key=lambda u: u.name), sorted(loose, key=lambda u: u.name)


def _role(member: Member) -> tuple[str, str] | None:
    matrix, beside = _MATRIX.match(member.base), _BESIDE.match(member.base)
    found = matrix or beside
    if found is None:
        return None
    folder = PurePosixPath(member.name).parent.as_posix()
    prefix = found["prefix"] if folder == "." else f"{folder}/{found['prefix']}"
    return prefix, "matrix" if matrix else found["role"].lower().replace("genes", "features")


def _place(files: dict[str, Member], role: str, member: Member) -> None:
    if role not in files:
        files[role] = member
        return
    # the same file twice, plain and gzipped, is common; anything else is two samples in one place
    names = {files[role].base.removesuffix(".gz"), member.base.removesuffix(".gz")}
    if len(names) > 1:
        msg = (
            f"{member.label}: {files[role].base!r} and {member.base!r} could both be the {role} of "
            "one sample; keep one of them."
        )
        raise InputError(msg)


def find_unit(path: str | Path) -> Unit:
    """Return the one sample that a path means.

    Parameters
    ----------
    path
        Any form that :func:`read_10x` documents.
    """
    text = str(path)
    outer, *inner = text.split(INSIDE)
    unit = _find_on_disk(Path(outer), has_inner=bool(inner))
    for selector in inner:
        if unit.kind != "tar":
            msg = f"{unit.label}: is no tar archive, so {selector!r} cannot be looked up in it."
            raise InputError(msg)
        unit = _select(list_tar(unit.files["file"]), selector, unit.label)
    while unit.kind == "tar":
        inside = units_of(list_tar(unit.files["file"]))
        unit = _only(inside, unit.label, f"name one, as {text}{INSIDE}NAME")
    return unit


def _find_on_disk(path: Path, *, has_inner: bool) -> Unit:
    if path.is_dir():
        units = units_of(list_folder(path, deep=False)) or units_of(list_folder(path, deep=True))
        return _only(units, str(path), f"name one, as {path / 'NAME'}")
    if path.is_file():
        beside = [from_disk(path)]
        if _role(beside[0]) is not None:
            beside = [m for m in list_folder(path.parent, deep=False) if _role(m) is not None]
            for unit in units_of(beside):
                if any(m.base == path.name for m in unit.files.values()):
                    return unit
        units = units_of(beside)
        if units:
            return units[0]
        msg = (
            f"{path}: is of no known form; give a folder, .h5, .h5ad, .tar, .tar.gz, matrix.mtx, "
            "or a csv, tsv or txt of counts."
        )
        raise InputError(msg)
    if not path.parent.is_dir() or has_inner:
        msg = f"{path}: no such file or folder; check the path."
        raise InputError(msg)
    return _select(list_folder(path.parent, deep=False), path.name, str(path.parent))


def _bare(name: str) -> str:
    return name.rstrip("._-/")


def _select(members: list[Member], selector: str, where: str) -> Unit:
    units, loose = _group(members)
    for chosen in (*_matches(units, selector), *_matches(loose, selector)):
        if chosen:
            return _only(chosen, f"{where}{INSIDE}{selector}", "give more of the name")
    names = [u.name for u in units or loose]
    near = get_close_matches(selector, names, n=3, cutoff=0.5) or names[:_SHOWN]
    msg = f"{where}: has no sample {selector!r}; " + (
        f"near or first of {len(names)}: {near}." if names else "it holds no matrix at all."
    )
    raise InputError(msg)


def _matches(units: list[Unit], selector: str) -> tuple[list[Unit], ...]:
    full = [u for u in units if _bare(u.name) == _bare(selector)]
    base = [u for u in units if _bare(PurePosixPath(u.name).name) == _bare(selector)]
    starts = [u for u in units if u.name.startswith(selector)]
    # GSM1_P1 means GSM1_P1.tar.gz before it means GSM1_P10.tar.gz
    clean = [u for u in starts if not u.name[len(selector) :][:1].isalnum()]
    inside = [u for u in units if f"/{_bare(selector)}" in f"/{u.name}"]
    return full, base, clean, starts, inside


def _only(units: list[Unit], where: str, cure: str) -> Unit:
    if len(units) > 1:
        units = _prefer_filtered(units)
    if len(units) == 1:
        return units[0]
    if not units:
        msg = (
            f"{where}: holds no matrix; expected a triplet (matrix.mtx, barcodes.tsv, features.tsv "
            "or genes.tsv, any prefix, gzipped or not), .h5, .h5ad or a table of counts."
        )
        raise InputError(msg)
    names = [u.name for u in units]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    msg = f"{where}: holds {len(names)} samples, {names[:_SHOWN]}{more}; {cure}."
    raise InputError(msg)


def _prefer_filtered(units: list[Unit]) -> list[Unit]:
    # a Cell Ranger outs/ folder holds the same library filtered and raw, as .h5 and as a triplet
    called = [u for u in units if not re.search(r"raw_(feature|gene)_bc_matri", u.name)]
    filtered = [u for u in called if re.search(r"filtered_(feature|gene)_bc_matri", u.name)]
    if len(filtered) == len(called) > 1:
        h5 = [u for u in filtered if u.kind == "h5"]
        if len(h5) == 1:
            return h5
    return called or units
