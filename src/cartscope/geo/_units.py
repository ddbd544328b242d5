"""The matrices of a series on disk, and what SOFT says of its samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope.geo._lock import LOCK_NAME
from cartscope.geo._members import Unit, group_members
from cartscope.geo._places import relative_to
from cartscope.geo._soft import SoftRecord, read_soft
from cartscope.geo._tar import TarMember, list_members

if TYPE_CHECKING:
    from pathlib import Path

    from cartscope.manifest._geo import GeoSeries


def soft_samples(folder: Path, accession: str) -> dict[str, SoftRecord]:
    """Return the samples of a series' SOFT file by their accession; none without the file.

    Parameters
    ----------
    folder
        The series' folder.
    accession
        The series.
    """
    for path in (
        folder / sub / f"{accession}_family.soft{end}"
        for sub in ("soft", ".")
        for end in (".gz", "")
    ):
        if path.is_file():
            return {r.accession.upper(): r for r in read_soft(path).samples}
    return {}


def units_of(folder: Path, manifest: GeoSeries, *, dest: Path) -> list[tuple[Unit, str]]:
    """Return the units of archives, loose files and single samples, each with its path.

    Parameters
    ----------
    folder
        The series' folder.
    manifest
        The series.
    dest
        Folder that paths are written relative to.
    """
    found: list[tuple[Unit, str]] = []
    own = {f.name.format(accession=manifest.accession) for f in manifest.file}
    suppl = folder / "suppl" if (folder / "suppl").is_dir() else folder
    loose: list[TarMember] = []
    for path in sorted(p for p in suppl.iterdir() if p.is_file()):
        if path.name.endswith("_RAW.tar"):
            for unit in group_members(list_members(path)):
                found.append((unit, f"{relative_to(path, dest)}::{unit.select}"))
        elif path.name not in own and not _ours(path.name):
            loose.append(TarMember(path.name, path.stat().st_size))
    found += [(unit, relative_to(suppl / unit.select, dest)) for unit in group_members(loose)]
    singles = folder / "samples"
    if singles.is_dir():
        files = sorted(p for p in singles.rglob("*") if p.is_file() and not _ours(p.name))
        members = [TarMember(p.relative_to(singles).as_posix(), p.stat().st_size) for p in files]
        found += [
            (unit, relative_to(singles / unit.select, dest)) for unit in group_members(members)
        ]
    return found


def _ours(name: str) -> bool:
    return name.startswith((LOCK_NAME, ".")) or name.endswith(
        (".part", ".part.json", "_family.soft.gz", "_family.soft", "filelist.txt")
    )
