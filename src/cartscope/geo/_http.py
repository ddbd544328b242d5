"""One file over HTTP: streamed, resumed, tried again, and bounded in time."""

from __future__ import annotations

import http.client
import re
import shutil
import time
from typing import TYPE_CHECKING, Any, Final

from cartscope._errors import DownloadError
from cartscope.geo._integrity import html_title
from cartscope.geo._part import Source, discard, part_of, read_note, size_of, write_note
from cartscope.geo._request import Interrupted, RefusedError, broken, open_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BLOCK: Final = 1 << 18
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 16.0
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_PARTIAL, _NOT_FOUND, _BAD_RANGE = 206, 404, 416


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
    furthest, wait, tries = 0, _FIRST_WAIT, 0
    deadline = time.monotonic() + retry_seconds
    while True:
        tries += 1
        try:
            return _attempt(url, target, progress)
        except Interrupted as problem:
            reached = size_of(part_of(target))
            # only bytes that were never had before count: a server that breaks at the same place
            # every time would otherwise be asked for ever
            if reached > furthest:
                furthest, wait = reached, _FIRST_WAIT
                deadline = time.monotonic() + retry_seconds
            pause = max(wait, problem.wait)
            if time.monotonic() + pause > deadline:
                kept = f"; {reached:,} bytes are kept and will be resumed" if reached else ""
                asked = f", which asks to wait {problem.wait:.0f} s" if problem.wait else ""
                msg = (
                    f"{url}: {problem}{asked}; gave up after {tries} tries within "
                    f"{retry_seconds:g} s{kept}. Check the network or --base-url, and run the "
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
    deadline, wait, tries = time.monotonic() + retry_seconds, _FIRST_WAIT, 0
    while True:
        tries += 1
        try:
            with open_url(url) as response:
                return _read(response, limit, 0).decode("utf-8", "replace")
        except RefusedError:
            return None
        except Interrupted as problem:
            pause = max(wait, problem.wait)
            if time.monotonic() + pause > deadline:
                msg = (
                    f"{url}: {problem}; gave up after {tries} tries within {retry_seconds:g} s. "
                    "Check the network or --base-url, and run the same command again."
                )
                raise DownloadError(msg) from problem
            time.sleep(pause)
            wait = min(2 * wait, _LONGEST_WAIT)


def _attempt(
    url: str, target: Path, progress: Callable[[str, int, int | None], None] | None
) -> bool:
    begun, offset = read_note(target), size_of(part_of(target))
    headers: dict[str, str] = {}
    if begun is None or begun.url != url:
        # without knowing which version the bytes are of, joining them to others is a gamble
        offset = 0
    elif offset:
        headers["Range"] = f"bytes={offset}-"
        if begun.validator:
            headers["If-Range"] = begun.validator
    try:
        response = open_url(url, headers)
    except RefusedError as error:
        if error.status == _NOT_FOUND:
            return False
        if error.status == _BAD_RANGE and offset:
            if begun is not None and begun.size == offset:
                return True
            discard(target)
            reason = "the server refused to resume"
            raise Interrupted(reason) from error
        raise
    with response:
        resumed = response.status == _PARTIAL
        source, start = _describe(url, response)
        if resumed and (start != offset or begun is None or begun.differs(source)):
            discard(target)
            reason = "the file on the server has changed"
            raise Interrupted(reason)
        offset = offset if resumed else 0
        first = _read(response, _BLOCK, offset)
        if not resumed:
            _refuse_html(first, response)
            discard(target)
            write_note(target, source)
        if source.size is not None:
            _check_space(target, source.size - offset)
        done = _copy(response, target, first, progress=progress)
    if source.size is not None and done != source.size:
        if done > source.size:
            discard(target)
        reason = f"{done:,} of {source.size:,} bytes arrived"
        raise Interrupted(reason)
    return True


def _describe(url: str, response: Any) -> tuple[Source, int]:
    """Return the version with the whole file's size, and the first byte's offset (-1: not said)."""
    headers = response.headers
    start, size = 0, None
    if response.status == _PARTIAL:
        found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
        start = int(found[1]) if found else -1
        size = int(found[3]) if found and found[3] != "*" else None
    elif (length := headers.get("Content-Length", "")).isdigit():
        size = int(length)
    return Source(url, size, headers.get("ETag", ""), headers.get("Last-Modified", "")), start


def _read(response: Any, size: int, done: int) -> bytes:
    try:
        return response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise broken(error, done) from error


def _copy(
    response: Any,
    target: Path,
    block: bytes,
    *,
    progress: Callable[[str, int, int | None], None] | None,
) -> int:
    """Append the body, of which ``block`` was read, and return how many bytes the part has then."""
    source = read_note(target)
    total = source.size if source else None
    with part_of(target).open("ab") as sink:
        done = sink.tell()
        while block:
            sink.write(block)
            done += len(block)
            if progress is not None:
                progress(target.name, done, total)
            # what has arrived must be on disk before the next block can break
            sink.flush()
            block = _read(response, _BLOCK, done)
    return done


def _refuse_html(block: bytes, response: Any) -> None:
    title = html_title(block)
    if title is None and response.headers.get_content_type() == "text/html":
        # pages that start with a comment or a script are pages all the same
        title = "no title" if block.lstrip().startswith(b"<") else None
    if title is not None:
        msg = (
            f"{response.url}: the server answered 200 with an HTML page ({title!r}) in place of "
            "the file; it is not kept. Check --base-url, or a proxy or login page in between."
        )
        raise DownloadError(msg)


def _check_space(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        msg = (
            f"{target}: needs {needed:,} bytes more, the disk has {free:,}; "
            "make room or choose another --dest."
        )
        raise DownloadError(msg)
