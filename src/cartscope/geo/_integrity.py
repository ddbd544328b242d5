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
_HEAD: Final = 4096
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
    path: Path | str, *, target: Path | str | None = None, members: Mapping[str, int] | None = None
) -> None:
    """Raise IntegrityError unless a file is whole and of the kind its name says.

    ``.gz`` files are read to their checksum, ``.tar`` files member by member with the ``.gz`` and
    ``.tar.gz`` files in them, ``.h5`` and ``.h5ad`` files by their first bytes.

    Parameters
    ----------
    path
        The file.
    target
        The path it will have once it has been found good; messages and its kind go by it.
    members
        Sizes of the archive's members, from ``filelist.txt``.
    """
    path = Path(path)
    label = path if target is None else Path(target)
    cure = "delete it and get it again." if target is None else "it is not kept; get it again."
    try:
        _check_kind(path, label.name.lower(), members)
    except IntegrityError as error:
        msg = f"{label}: {error}; {cure}"
        raise IntegrityError(msg) from error
    except BROKEN as error:
        msg = f"{label}: is damaged or cut off ({error}); {cure}"
        raise IntegrityError(msg) from error


def _check_kind(path: Path, name: str, members: Mapping[str, int] | None) -> None:
    with path.open("rb") as file:
        head = file.read(_HEAD)
        title = html_title(head)
        if title is not None and not name.endswith((".html", ".htm")):
            msg = f"is an HTML page ({title!r}), not the file"
        elif not head and name != "filelist.txt":
            msg = "is empty"
        elif name.endswith((".h5", ".h5ad")) and not head.startswith(_HDF5):
            msg = "is not an HDF5 file"
        elif name.endswith((".gz", ".tgz")):
            file.seek(0)
            _check_gzip(file, name)
            return
        elif name.endswith(".tar"):
            _check_tar(path, members)
            return
        else:
            return
    raise IntegrityError(msg)


def _check_tar(path: Path, members: Mapping[str, int] | None) -> None:
    found: dict[str, int] = {}
    with tarfile.open(path, "r:") as tar:
        for info in tar:
            check_member(info)
            if not info.isreg():
                continue
            name = info.name.removeprefix("./")
            found[name] = info.size
            if name.lower().endswith((".gz", ".tgz")) and (source := tar.extractfile(info)):
                with source:
                    _check_member(source, name)
    if not found:
        msg = "holds no file"
        raise IntegrityError(msg)
    for name, size in (members or {}).items():
        if name not in found:
            msg = (
                f"member {name!r} of filelist.txt is missing: the archive holds {len(found)} of "
                f"{len(members or {})}"
            )
            raise IntegrityError(msg)
        if found[name] != size:
            msg = f"member {name!r} has {found[name]:,} bytes, filelist.txt says {size:,}"
            raise IntegrityError(msg)


def _check_member(source: IO[bytes], name: str) -> None:
    try:
        _check_gzip(source, name.lower())
    except BROKEN as error:
        msg = f"member {name!r} is damaged or cut off ({error})"
        raise IntegrityError(msg) from error
    except IntegrityError as error:
        msg = f"member {name!r}: {error}"
        raise IntegrityError(msg) from error


def _check_gzip(file: IO[bytes], name: str) -> None:
    """Read a gzip stream to its end, and a tar archive in it member by member."""
    if file.read(len(_GZIP)) != _GZIP:
        msg = "is not gzip, against its name"
        raise IntegrityError(msg)
    file.seek(0)
    with gzip.GzipFile(fileobj=file) as stream:
        total = 0
        if name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for info in tar:
                    check_member(info)
                    total += info.size
                    _limit(total)
        # what is left holds the checksum of the whole stream
        while block := stream.read(_BLOCK):
            total += len(block)
            _limit(total)


def _limit(total: int) -> None:
    if total > MAX_BYTES:
        msg = f"unpacks to more than {MAX_BYTES:,} bytes"
        raise IntegrityError(msg)
