"""Looking into tar archives and taking files out of them, without trusting them."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cartscope._errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_MEMBERS: Final = 100_000
MAX_BYTES: Final = 256 * 2**30  # the largest studies on GEO stay below this by far
BROKEN: Final = (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class TarMember:
    """A regular file in an archive."""

    name: str
    size: int


def list_members(path: Path | str, *, max_bytes: int = MAX_BYTES) -> list[TarMember]:
    """Return the regular files of a tar archive after checking that all its members are safe.

    Parameters
    ----------
    path
        Archive, plain or compressed.
    max_bytes
        Largest total size of the members, unpacked.

    Returns
    -------
    The members in archive order; folders are left out.

    Raises
    ------
    IntegrityError
        If the archive is cut off or damaged, or a member is absolute, points upwards, is a link or
        a device, or the archive unpacks to more than ``max_bytes``.

    Examples
    --------
    >>> import pathlib, tarfile, tempfile
    >>> from cartscope import geo
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("abc")
    >>> with tarfile.open(folder / "x.tar", "w") as tar:
    ...     tar.add(folder / "a.txt", "a.txt")
    >>> geo.list_members(folder / "x.tar")
    [TarMember(name='a.txt', size=3)]
    """
    path = Path(path)
    members, total = [], 0
    try:
        with tarfile.open(path) as tar:
            for info in tar:
                check_member(info, path)
                if info.isdir():
                    continue
                total += info.size
                if total > max_bytes or len(members) >= MAX_MEMBERS:
                    msg = (
                        f"{path}: unpacks to more than {max_bytes:,} bytes or "
                        f"{MAX_MEMBERS:,} files; not used."
                    )
                    raise IntegrityError(msg)
                members.append(TarMember(info.name.removeprefix("./"), info.size))
    except BROKEN as error:
        msg = (
            f"{path}: the tar archive is damaged or cut off ({error}); delete it and get it again."
        )
        raise IntegrityError(msg) from error
    return members


def check_member(info: tarfile.TarInfo, archive: Path | str | None = None) -> None:
    """Raise IntegrityError unless a member is a plain file or folder inside the archive's folder.

    Parameters
    ----------
    info
        The member.
    archive
        Where it stands, if the message is to say so.
    """
    name = info.name
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        problem = "an absolute path"
    elif ".." in parts:
        problem = "a path that points out of the archive"
    elif "\x00" in name or not name:
        problem = "not a file name"
    elif info.issym() or info.islnk():
        problem = f"a link to {info.linkname!r}"
    elif not (info.isreg() or info.isdir()):
        problem = "neither a file nor a folder"
    elif info.sparse is not None:
        problem = "a sparse file"
    else:
        return
    msg = f"member {name!r} is {problem}, which is not safe"
    if archive is not None:
        msg = f"{archive}: {msg}; the archive is not used, and should not be trusted."
    raise IntegrityError(msg)


def extract(
    archive: Path | str,
    dest: Path | str,
    *,
    only: Callable[[str], bool] | None = None,
    max_bytes: int = MAX_BYTES,
) -> list[Path]:
    """Take regular files out of a tar archive; nothing is written unless every member is safe.

    Parameters
    ----------
    archive
        Archive, plain or compressed.
    dest
        Folder to write into; made if it is missing.
    only
        Told a member's name, says whether to take it; all are taken by default.
    max_bytes
        Largest total size of the members, unpacked.

    Returns
    -------
    The files written.

    Raises
    ------
    IntegrityError
        If the archive is damaged or a member is not safe.

    Examples
    --------
    >>> import pathlib, tarfile, tempfile
    >>> from cartscope import geo
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("abc")
    >>> with tarfile.open(folder / "x.tar", "w") as tar:
    ...     tar.add(folder / "a.txt", "a.txt")
    >>> [path.name for path in geo.extract(folder / "x.tar", folder / "out")]
    ['a.txt']
    """
    archive, dest = Path(archive), Path(dest)
    list_members(archive, max_bytes=max_bytes)
    written = []
    with tarfile.open(archive) as tar:
        for info in tar:
            name = info.name.removeprefix("./")
            if not info.isreg() or (only is not None and not only(name)):
                continue
            check_member(info, archive)
            target = dest / name
            if not target.resolve().is_relative_to(dest.resolve()):
                # a link that stood in dest beforehand would lead the member out of it
                msg = f"{archive}: member {name!r} would be written outside {dest}; not used."
                raise IntegrityError(msg)
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            source = tar.extractfile(info)
            if source is None:
                continue
            with source, part.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            os.replace(part, target)  # noqa: PTH105  (Path.replace is the same call)
            written.append(target)
    return written
