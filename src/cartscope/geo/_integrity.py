"""Whether a file's bytes are what its name says."""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from cartscope._errors import IntegrityError
from cartscope.geo._tar import BROKEN, MAX_BYTES, check_member

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLOCK: Final = 1 << 20
_HTML = re.compile(
    rb"^\s*(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head)", re.I
)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.I | re.S)
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_GZIP: Final = b"\x1f\x8b"


def sha256(path: Path | str) -> str:
    """Return a file's SHA-256 in hexadecimal.

    Parameters
    ----------
    path
        File to read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def html_title(head: bytes) -> str | None:
    """Return the title of an HTML page, or None if the bytes are none.

    Parameters
    ----------
    head
        First bytes of a file.
    """
    if not _HTML.match(head):
        return None
    found = _TITLE.search(head)
    return " ".join(found.group(1).decode("utf-8", "replace").split()) if found else "no title"


def check_file(
    path: Path | str, *, name: str | None = None, members: Mapping[str, int] | None = None
) -> None:
    """Raise IntegrityError unless a file is whole and of the kind its name says.

    ``.gz`` files are read to their checksum, ``.tar`` files member by member with the ``.gz`` and
    ``.tar.gz`` files in them, ``.h5`` and ``.h5ad`` files by their first bytes.

    Parameters
    ----------
    path
        The file.
    name
        The name it will have, when it has another one yet.
    members
        Sizes of the archive's members, from ``filelist.txt``.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(4096)
    name = (name or path.name).lower()
    title = html_title(head)
    if title is not None and not name.endswith((".html", ".htm")):
        msg = f"{path}: is an HTML page ({title!r}), not the file; delete it and get it again."
        raise IntegrityError(msg)
    if not head and name != "filelist.txt":
        msg = f"{path}: is empty; delete it and get it again."
        raise IntegrityError(msg)
    try:
        if name.endswith(".tar"):
            _check_tar(path, members)
        elif name.endswith((".h5", ".h5ad")):
            if not head.startswith(_HDF5):
                msg = f"{path}: is not an HDF5 file; delete it and get it again."
                raise IntegrityError(msg)
        elif name.endswith((".gz", ".tgz")):
            with path.open("rb") as file:
                _check_gzip(file, name)
    except IntegrityError as error:
        if str(path) in str(error):
            raise
        msg = f"{path}: {error}"
        raise IntegrityError(msg) from error
    except BROKEN as error:
        msg = f"{path}: is damaged or cut off ({error}); delete it and get it again."
        raise IntegrityError(msg) from error


def _check_tar(path: Path, members: Mapping[str, int] | None) -> None:
    found: dict[str, int] = {}
    with tarfile.open(path, "r:") as tar:
        for info in tar:
            check_member(info, path)
            if not info.isreg():
                continue
            name = info.name.removeprefix("./")
            found[name] = info.size
            if name.lower().endswith((".gz", ".tgz")):
                source = tar.extractfile(info)
                if source is not None:
                    with source:
                        _check_member_gzip(source, name, path)
    if not found:
        msg = f"{path}: the archive holds no file; delete it and get it again."
        raise IntegrityError(msg)
    for name, size in (members or {}).items():
        if name not in found:
            msg = (
                f"{path}: member {name!r} of filelist.txt is missing: the archive "
                f"holds {len(found)} of {len(members or {})}; delete it and get it again."
            )
            raise IntegrityError(msg)
        if found[name] != size:
            msg = (
                f"{path}: member {name!r} has {found[name]:,} bytes, filelist.txt says {size:,}; "
                "delete the archive and filelist.txt and get both again."
            )
            raise IntegrityError(msg)


def _check_member_gzip(source: IO[bytes], name: str, path: Path) -> None:
    try:
        _check_gzip(source, name.lower())
    except BROKEN as error:
        msg = (
            f"{path}: member {name!r} is damaged or cut off ({error}); "
            "delete the archive and get it again."
        )
        raise IntegrityError(msg) from error
    except IntegrityError as error:
        msg = f"{path}: member {name!r}: {error}"
        raise IntegrityError(msg) from error


def _check_gzip(file: IO[bytes], name: str) -> None:
    """Read a gzip stream to its end, and a tar archive in it member by member."""
    start = file.tell()
    if file.read(2) != _GZIP:
        msg = "is not gzip, against its name; delete it and get it again."
        raise IntegrityError(msg)
    file.seek(start)
    with gzip.GzipFile(fileobj=file) as stream:
        total = 0
        if name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for info in tar:
                    check_member(info, name)
                    total += info.size
                    _limit(total)
        # what is left holds the checksum of the whole stream
        while block := stream.read(_BLOCK):
            total += len(block)
            _limit(total)


def _limit(total: int) -> None:
    if total > MAX_BYTES:
        msg = f"unpacks to more than {MAX_BYTES:,} bytes; not used."
        raise IntegrityError(msg)
