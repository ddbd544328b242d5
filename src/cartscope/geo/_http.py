"""One file over HTTP: streamed, resumed, tried again, and bounded in time."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Any, Final

from cartscope._errors import DownloadError
from cartscope.geo._integrity import html_title

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK: Final = 1 << 18
_TIMEOUT: Final = 30.0  # seconds without a byte
_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 16.0
_HEAD: Final = 4096
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_OK, _PARTIAL, _NOT_FOUND, _BAD_RANGE = 200, 206, 404, 416


@dataclass(frozen=True)
class _Source:
    """What identifies one version of a file on a server; stands beside its ``.part``."""

    url: str
    size: int | None = None
    etag: str = ""
    modified: str = ""

    @property
    def validator(self) -> str:
        """Value for If-Range: a strong ETag, else the date of change."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _Interrupted(Exception):  # noqa: N818  (a signal to try again, never seen outside)
    """A failure that another try may mend."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch(
    url: str,
    target: Path,
    *,
    retry_seconds: float = 60.0,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> bool:
    """Download a file to ``target`` + ``.part``, which a later call resumes if this one fails.

    The caller checks the ``.part`` file and then gives it its name with :func:`settle`, or drops it
    with :func:`discard`.

    Parameters
    ----------
    url
        Address.
    target
        Name the file will have; its folder exists.
    retry_seconds
        How long to go on trying while not a single new byte arrives.
    progress
        Called with the file's name, bytes so far and bytes in all (or None).

    Returns
    -------
    Whether the server has the file; False when it answers 404.

    Raises
    ------
    DownloadError
        If the file cannot be had; the message says what the server answered.
    """
    furthest, wait = 0, _FIRST_WAIT
    deadline = time.monotonic() + retry_seconds
    tries = 0
    while True:
        tries += 1
        try:
            return _attempt(url, target, progress)
        except _Interrupted as problem:
            reached = _size(part_of(target))
            if reached > furthest:
                furthest, wait = reached, _FIRST_WAIT
                deadline = time.monotonic() + retry_seconds
            pause = max(wait, problem.wait or 0.0)
            if time.monotonic() + pause > deadline:
                kept = f"; {reached:,} bytes are kept and will be resumed" if reached else ""
                asked = f", which asks to wait {pause:.0f} s" if problem.wait is not None else ""
                msg = (
                    f"{url}: {problem}{asked}; gave up after {tries} tries within "
                    f"{retry_seconds:.0f} s{kept}. Check the network or --base-url, and run the "
                    "same command again."
                )
                raise DownloadError(msg) from problem
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)


def fetch_text(url: str, *, retry_seconds: float = 60.0, limit: int = 1 << 24) -> str | None:
    """Return a small text file or listing, or None when the server has none to show.

    Parameters
    ----------
    url
        Address.
    retry_seconds
        How long to go on trying.
    limit
        Largest number of bytes read.
    """
    deadline, wait = time.monotonic() + retry_seconds, _FIRST_WAIT
    while True:
        try:
            with _open(url, {}) as response:
                return response.read(limit).decode("utf-8", "replace")
        except _RefusedError:
            return None
        except (_Interrupted, OSError, http.client.HTTPException) as problem:
            pause = max(wait, getattr(problem, "wait", None) or 0.0)
            if time.monotonic() + pause > deadline:
                msg = (
                    f"{url}: {problem or type(problem).__name__}; gave up after "
                    f"{retry_seconds:.0f} s. Check the network or --base-url, and try again."
                )
                raise DownloadError(msg) from problem
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)


class _RefusedError(DownloadError):
    """An answer that no other try will change."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def part_of(target: Path) -> Path:
    """Return the name of the file that is being downloaded.

    Parameters
    ----------
    target
        The name it will have.
    """
    return target.with_name(target.name + ".part")


def _note(target: Path) -> Path:
    return target.with_name(target.name + ".part.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _open(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(
        url, headers={"User-Agent": "cartscope", "Accept-Encoding": "identity", **headers}
    )
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            reason = f"the server answered {error.code} {error.reason}"
            if error.code in _TRY_AGAIN:
                raise _Interrupted(
                    reason, _retry_after(error.headers.get("Retry-After"))
                ) from error
            msg = f"{url}: {reason}."
            raise _RefusedError(msg, error.code) from error
    except urllib.error.URLError as error:
        msg = f"cannot connect ({error.reason})"
        raise _Interrupted(msg) from error
    except (OSError, http.client.HTTPException) as error:
        msg = f"the connection failed ({error or type(error).__name__})"
        raise _Interrupted(msg) from error


def _retry_after(text: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for: a number, or a date."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _attempt(
    url: str, target: Path, progress: Callable[[str, int, int | None], None] | None
) -> bool:
    part, note = part_of(target), _note(target)
    begun = _read_note(note)
    offset = _size(part)
    headers = {}
    if begun is None or begun.url != url:
        # without knowing which version the bytes are of, joining them to others is a gamble
        offset = 0
    elif offset:
        headers["Range"] = f"bytes={offset}-"
        if begun.validator:
            headers["If-Range"] = begun.validator
    try:
        response = _open(url, headers)
    except _RefusedError as error:
        if error.status == _NOT_FOUND:
            return False
        if error.status == _BAD_RANGE and offset:
            if begun is not None and begun.size == offset:
                return True
            discard(target)
            reason = "the server refused to resume"
            raise _Interrupted(reason) from error
        raise
    with response:
        source, start, total = _describe(url, response)
        if response.status == _PARTIAL and (start != offset or _differs(begun, source, total)):
            discard(target)
            reason = "the file on the server has changed"
            raise _Interrupted(reason)
        resumed = response.status == _PARTIAL
        if not resumed:
            offset = 0
        _check_space(target, (total or 0) - offset)
        note.write_text(json.dumps(asdict(source)), "utf-8")
        with part.open("ab" if resumed else "wb") as sink:
            done = _copy(response, sink, where=(target.name, offset, total), progress=progress)
    if total is not None and done != total:
        if done > total:
            discard(target)
        reason = f"{done:,} of {total:,} bytes arrived"
        raise _Interrupted(reason)
    return True


def _describe(url: str, response: Any) -> tuple[_Source, int, int | None]:
    """Return the version, the first byte's offset and the whole file's size."""
    headers = response.headers
    start, total = 0, None
    if response.status == _PARTIAL:
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        if found is None:
            start = -1
        else:
            start = int(found[1])
            total = None if found[3] == "*" else int(found[3])
    elif (length := headers.get("Content-Length", "")).isdigit():
        total = int(length)
    source = _Source(url, total, headers.get("ETag", ""), headers.get("Last-Modified", ""))
    return source, start, total


def _differs(begun: _Source | None, now: _Source, total: int | None) -> bool:
    if begun is None:
        return True
    pairs = [(begun.size, total), (begun.etag, now.etag), (begun.modified, now.modified)]
    return any(old and new and old != new for old, new in pairs)


def _copy(
    response: Any,
    sink: IO[bytes],
    *,
    where: tuple[str, int, int | None],
    progress: Callable[[str, int, int | None], None] | None,
) -> int:
    """Write the body and return how many bytes the file has by then."""
    name, done, total = where
    first = done == 0
    if progress is not None:
        progress(name, done, total)
    while True:
        try:
            block = response.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            sink.flush()
            reason = f"the connection broke after {done:,} bytes ({error or type(error).__name__})"
            raise _Interrupted(reason) from error
        if not block:
            return done
        if first:
            _refuse_html(block, response)
            first = False
        sink.write(block)
        done += len(block)
        if progress is not None:
            progress(name, done, total)


def _refuse_html(block: bytes, response: Any) -> None:
    title = html_title(block[:_HEAD])
    if title is not None:
        msg = (
            f"{response.url}: the server answered 200 with an HTML page ({title!r}) in place of "
            "the file; it is not kept. Check --base-url, or a proxy or login page in between."
        )
        raise DownloadError(msg)


def _check_space(target: Path, needed: int) -> None:
    import shutil

    free = shutil.disk_usage(target.parent).free
    if needed > free:
        msg = (
            f"{target}: needs {needed:,} bytes more, the disk has {free:,}; "
            "make room or choose another --dest."
        )
        raise DownloadError(msg)


def _read_note(note: Path) -> _Source | None:
    try:
        return _Source(**json.loads(note.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def settle(target: Path) -> None:
    """Give a downloaded file its name.

    Parameters
    ----------
    target
        The name.
    """
    part_of(target).replace(target)
    _note(target).unlink(missing_ok=True)


def discard(target: Path) -> None:
    """Drop what was downloaded of a file.

    Parameters
    ----------
    target
        The name it would have had.
    """
    part_of(target).unlink(missing_ok=True)
    _note(target).unlink(missing_ok=True)
