"""Where bytes come from: files on disk and members of (nested) tar archives, all alike."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from cartscope._errors import CartscopeError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
INSIDE = "::"  # archive.tar::member
_GZIP_MAGIC = b"\x1f\x8b"
# a gzipped tar up to this size is unpacked once in memory; a larger one is read through again
# for each member, which costs time but no memory
_HELD_BYTES = 64 << 20
_BUFFER = 1 << 16


@dataclass(frozen=True)
class Member:
    """One file: what messages call it, its path inside its folder or archive, how to open it."""

    label: str
    name: str
    open: Callable[[], BinaryIO]  # the bytes as stored, seekable

    @property
    def base(self) -> str:
        """Last part of the name."""
        return PurePosixPath(self.name).name


class _Slice(io.RawIOBase):
    """A window on a seekable stream that it owns."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._stream, self._start, self._size, self._at = stream, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._at))
        if wanted == 0:
            return 0
        self._stream.seek(self._start + self._at)
        part = self._stream.read(wanted)
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _OwningGzip(gzip.GzipFile):
    """Closes the stream that it unpacks."""

    def close(self) -> None:
        stored = self.fileobj
        super().close()
        if stored is not None:
            stored.close()


@contextmanager
def reading(label: str, cure: str = "fetch or write the file again") -> Iterator[None]:
    """Turn whatever a broken file raises into one InputError that names it.

    Parameters
    ----------
    label
        The file, as the user knows it.
    cure
        What to do about it.
    """
    try:
        yield
    except CartscopeError:
        raise
    except FileNotFoundError as error:
        msg = f"{label}: no such file; check the path."
        raise InputError(msg) from error
    except PermissionError as error:
        msg = f"{label}: may not be read; check its permissions."
        raise InputError(msg) from error
    except EOFError as error:
        msg = f"{label}: the file is truncated (it ends before its data do); {cure}."
        raise InputError(msg) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        msg = f"{label}: damaged gzip ({error}); {cure}."
        raise InputError(msg) from error
    except tarfile.TarError as error:
        msg = f"{label}: truncated or damaged tar archive ({error}); {cure}."
        raise InputError(msg) from error
    except (OSError, ValueError, KeyError, OverflowError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        msg = f"{label}: cannot be read ({reason}); {cure}."
        raise InputError(msg) from error


def _is_gzip(stream: BinaryIO) -> bool:
    head = stream.read(2)
    stream.seek(0)
    return head == _GZIP_MAGIC


@contextmanager
def open_plain(member: Member) -> Iterator[io.BufferedReader]:
    """Open a member, unpacked if its bytes (not its name) say gzip.

    Parameters
    ----------
    member
        What to open.
    """
    with reading(member.label), member.open() as stored:
        raw = gzip.GzipFile(fileobj=stored) if _is_gzip(stored) else stored
        with io.BufferedReader(cast("io.RawIOBase", raw), _BUFFER) as stream:
            head = stream.peek(256)[:256].lstrip().lower()
            if not head:
                msg = f"{member.label}: the file is empty; fetch it again."
                raise InputError(msg)
            if head.startswith((b"<!doctype", b"<html")):
                msg = f"{member.label}: holds a web page instead of data; fetch it again."
                raise InputError(msg)
            yield stream


@contextmanager
def open_seekable(member: Member) -> Iterator[BinaryIO]:
    """Open a member for a reader that jumps about, as HDF5's; a gzipped one is held in memory.

    Parameters
    ----------
    member
        What to open.
    """
    with reading(member.label), member.open() as stored:
        if _is_gzip(stored):
            yield io.BytesIO(gzip.GzipFile(fileobj=stored).read())
        else:
            yield stored


def from_disk(path: Path, name: str | None = None) -> Member:
    """Return the member that is a file on disk.

    Parameters
    ----------
    path
        The file.
    name
        Its path inside the folder that was listed; its own name by default.
    """
    return Member(str(path), name or path.name, lambda: path.open("rb"))


def _hidden(name: str) -> bool:
    # macOS writes a ._twin beside every member, and archives come with .DS_Store
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") and part not in {".", ".."} for part in parts) or (
        "__MACOSX" in parts
    )


def list_folder(folder: Path, *, deep: bool) -> list[Member]:
    """Return the files of a folder by name.

    Parameters
    ----------
    folder
        Where to look.
    deep
        Whether to look below it too.
    """
    found = folder.rglob("*") if deep else folder.iterdir()
    names = sorted((p.relative_to(folder).as_posix(), p) for p in found if p.is_file())
    return [from_disk(path, name) for name, path in names if not _hidden(name)]


def list_tar(archive: Member) -> list[Member]:
    """Return the regular files of a tar archive, gzipped or not; nothing is unpacked to disk.

    Parameters
    ----------
    archive
        A tar, on disk or itself a member.
    """
    with reading(archive.label):
        opener = _tar_opener(archive)
        with opener() as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            infos = [i for i in tar.getmembers() if i.isreg() and not i.issparse()]
    members = []
    for info in sorted(infos, key=lambda i: i.name):
        name = PurePosixPath(info.name).as_posix()
        if not _hidden(name):
            members.append(
                _tar_member(archive, name, opener=opener, window=(info.offset_data, info.size))
            )
    return members


def _tar_member(
    archive: Member, name: str, *, opener: Callable[[], BinaryIO], window: tuple[int, int]
) -> Member:
    start, size = window
    return Member(
        f"{archive.label}{INSIDE}{name}",
        name,
        lambda: cast("BinaryIO", io.BufferedReader(_Slice(opener(), start, size), _BUFFER)),
    )


def _tar_opener(archive: Member) -> Callable[[], BinaryIO]:
    with archive.open() as stored:
        if not _is_gzip(stored):
            return archive.open
        size = stored.seek(0, io.SEEK_END)
        stored.seek(0)
        if size <= _HELD_BYTES:
            data = gzip.GzipFile(fileobj=stored).read()
            return lambda: io.BytesIO(data)
    return lambda: cast("BinaryIO", _OwningGzip(fileobj=archive.open()))
