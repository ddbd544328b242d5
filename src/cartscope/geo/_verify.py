"""Check a downloaded series against its lock file, without the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cartscope._errors import IntegrityError
from cartscope._schema import GEO_FILES
from cartscope.geo._download import archive_members
from cartscope.geo._integrity import check_file, sha256
from cartscope.geo._lock import LOCK_NAME, Locked, check_against, read_lock, write_lock
from cartscope.geo._places import find_series

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

GOOD: Final = frozenset({"as recorded", "recorded now"})


def verify(accession: str, dest: Path | str) -> pd.DataFrame:
    r"""Check every file of a series on disk against ``.cartscope-lock.json``; works offline.

    A file that is not in the lock yet is checked for damage and recorded there.

    Parameters
    ----------
    accession
        For instance ``"GSE246490"``.
    dest
        Root of the tree it was fetched to, or the series' folder.

    Returns
    -------
    One row per file, as ``GEO_FILES``: as recorded, recorded now, altered, cut off, damaged,
    missing, or partial. The first two are good.

    Raises
    ------
    InputError
        If nothing of the series is there.

    Examples
    --------
    >>> import tempfile
    >>> from cartscope import geo
    >>> dest = tempfile.mkdtemp()
    >>> folder = geo.series_dir("GSE197268", dest) / "suppl"
    >>> folder.mkdir(parents=True)
    >>> _ = (folder / "filelist.txt").write_text("#Archive/File\tName\tTime\tSize\tType\n")
    >>> geo.verify("GSE197268", dest)["status"].to_list()
    ['recorded now']
    >>> geo.verify("GSE197268", dest)["status"].to_list()
    ['as recorded']
    """
    import pandas as pd

    folder = find_series(dest, accession)
    lock = read_lock(folder)
    rows: list[dict[str, object]] = []
    seen: dict[str, Locked] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith(LOCK_NAME) or path.name.endswith(".part.json"):
            continue
        if path.name.endswith(".part"):
            reason = "an unfinished download; run `cartscope geo get` again to resume it"
            rows.append(_row(name, path.stat().st_size, status="partial", reason=reason))
            continue
        row, entry = _check(path, name, lock.get(name))
        rows.append(row)
        if entry is not None:
            seen[name] = entry
    for name, entry in lock.items():
        if not (folder / name).is_file():
            reason = "recorded, but not on disk; run `cartscope geo get` again"
            rows.append(
                _row(name, entry.size, digest=entry.sha256, status="missing", reason=reason)
            )
    if seen:
        write_lock(folder, {**lock, **seen})
    return GEO_FILES.check(pd.DataFrame(rows, columns=list(GEO_FILES.columns)))


def _check(path: Path, name: str, known: Locked | None) -> tuple[dict[str, object], Locked | None]:
    size = path.stat().st_size
    try:
        if known is not None:
            check_against(path, known)
            return _row(name, size, digest=known.sha256, status="as recorded"), None
        check_file(path, members=archive_members(path))
    except IntegrityError as problem:
        status = "damaged" if known is None else "cut off" if size < known.size else "altered"
        return _row(name, size, status=status, reason=str(problem)), None
    entry = Locked(size, sha256(path))
    return _row(name, size, digest=entry.sha256, status="recorded now"), entry


def _row(
    name: str, size: int, *, status: str, digest: str = "", reason: str = ""
) -> dict[str, object]:
    return GEO_FILES.blank(file=name, size=size, sha256=digest, status=status, reason=reason)
