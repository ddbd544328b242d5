"""Fetch a series from GEO, whole or sample by sample."""

from __future__ import annotations

import posixpath
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cartscope._errors import CartscopeError, DownloadError, InputError, IntegrityError
from cartscope._schema import GEO_FILES
from cartscope.geo._http import fetch
from cartscope.geo._integrity import check_file, sha256
from cartscope.geo._listing import parse_filelist
from cartscope.geo._lock import LOCK_NAME, Locked, check_against, read_lock, write_lock
from cartscope.geo._part import discard, part_of, settle
from cartscope.geo._places import BASE_URL, check_accession, series_dir, series_path
from cartscope.geo._wanted import Wanted, check_base_url, files_of_samples, files_of_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd


@dataclass(frozen=True)
class _Job:
    """What every file of one download has in common."""

    folder: Path
    retry_seconds: float
    progress: Callable[[str, int, int | None], None] | None


def download(
    accession: str,
    dest: Path | str,
    *,
    base_url: str = BASE_URL,
    only: str | None = None,
    n_jobs: int = 3,
    retry_seconds: float = 60.0,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> pd.DataFrame:
    """Fetch a GEO series into a tree that mirrors GEO's.

    Files go to ``dest/geo/series/GSE246nnn/GSE246490/{soft,suppl,matrix}/``; with ``only``, single
    samples go to ``samples/GSM.../`` beside these. A file that is there already and as recorded is
    not fetched again; a partial one is resumed. Size, gzip and tar integrity are checked before a
    file gets its name, and its SHA-256 is recorded in ``.cartscope-lock.json`` on first sight.

    Parameters
    ----------
    accession
        For instance ``"GSE246490"``.
    dest
        Root of the tree; made if it is missing.
    base_url
        What stands before ``/geo/series/...``.
    only
        Shell pattern (``*`` and ``?``, in any case) on a sample's accession, title or file: fetch
        the files of these samples only, and not the archive.
    n_jobs
        Files fetched at a time.
    retry_seconds
        How long to go on trying a file while not a single new byte arrives.
    progress
        Called with a file's name, bytes so far and bytes in all (or None), from several threads.

    Returns
    -------
    One row per file, as ``GEO_FILES``.

    Raises
    ------
    InputError
        If the accession or the address is malformed, or ``only`` matches nothing.
    DownloadError
        If a file cannot be had.
    IntegrityError
        If a file is damaged, or is not the one that was recorded.

    Examples
    --------
    >>> from cartscope import geo
    >>> geo.download("GSE24649O", "data")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    cartscope._errors.InputError: accession 'GSE24649O' is not a GEO series; expected ...
    """
    name = check_accession(accession)
    base = check_base_url(base_url)
    folder = series_dir(name, dest)
    job = _Job(folder, retry_seconds, progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{folder}: cannot be made ({error.strerror}); choose another destination."
        raise InputError(msg) from error
    root = f"{base}/{series_path(name)}"
    soft = Wanted(f"{root}/soft/{name}_family.soft.gz", f"soft/{name}_family.soft.gz")
    rows = _fetch_all(job, [soft], n_jobs=1)
    if only is not None:
        files = files_of_samples(folder / soft.path, base, only)
    else:
        files = files_of_series(root, name, retry_seconds)
        listed = [f for f in files if f.path == "suppl/filelist.txt"]
        # first, since the archive is checked against it
        rows += _fetch_all(job, listed, n_jobs=1)
        files = [f for f in files if f not in listed and f.path != soft.path]
    rows += _fetch_all(job, files, n_jobs=n_jobs)
    import pandas as pd

    return GEO_FILES.check(pd.DataFrame(rows, columns=list(GEO_FILES.columns)))


def _fetch_all(job: _Job, files: Iterable[Wanted], *, n_jobs: int) -> list[dict[str, object]]:
    files = list(files)
    for file in files:
        (job.folder / file.path).parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    problems: list[CartscopeError] = []
    stop = threading.Event()

    def progress(name: str, done: int, total: int | None) -> None:
        if stop.is_set():
            raise CancelledError
        if job.progress is not None:
            job.progress(name, done, total)

    own = replace(job, progress=progress)
    with ThreadPoolExecutor(max_workers=max(1, n_jobs)) as pool:
        futures = [pool.submit(_fetch_one, own, file) for file in files]
        try:
            # as they end, so that a small file is recorded while a big one still runs
            for future in as_completed(futures):
                try:
                    row, entry = future.result()
                except CartscopeError as problem:
                    # the other files go on, and what they fetched is kept
                    problems.append(problem)
                    continue
                rows.append(row)
                if entry is not None:
                    write_lock(job.folder, {**read_lock(job.folder), str(row["file"]): entry})
        except BaseException:
            # Ctrl-C must not wait for gigabytes: running transfers end at their next block
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if problems:
        text = " Also: ".join(str(p) for p in problems)
        raise type(problems[0])(text) if len(problems) > 1 else problems[0]
    order = [file.path for file in files]
    return sorted(rows, key=lambda row: order.index(str(row["file"])))


def _fetch_one(job: _Job, file: Wanted) -> tuple[dict[str, object], Locked | None]:
    target = job.folder / file.path
    known = read_lock(job.folder).get(file.path)
    if target.is_file():
        entry = known or _first_sight(target, target, url=file.url)
        if known is not None:
            check_against(target, known)
        return _row(file, entry, "already there"), entry
    resumed = part_of(target).is_file()
    found = fetch(file.url, target, retry_seconds=job.retry_seconds, progress=job.progress)
    if not found:
        if file.required:
            raise DownloadError(_not_there(file))
        return GEO_FILES.blank(file=file.path, status="not on the server"), None
    try:
        entry = _first_sight(part_of(target), target, url=file.url)
        if known is not None and (known.size, known.sha256) != (entry.size, entry.sha256):
            msg = (
                f"{file.url}: is not the file that was recorded: {entry.size:,} bytes, sha256 "
                f"{entry.sha256}; recorded were {known.size:,} bytes, {known.sha256}. It is not "
                f"kept. If GEO has replaced it, delete the entry {file.path!r} in "
                f"{job.folder / LOCK_NAME} and get it again."
            )
            raise IntegrityError(msg)
    except IntegrityError:
        discard(target)
        raise
    settle(target)
    return _row(file, entry, "resumed" if resumed else "fetched"), entry


def _first_sight(path: Path, target: Path, *, url: str) -> Locked:
    """Check a file that nothing is recorded of, under the name it will have."""
    check_file(
        path,
        target=None if path == target else target,
        members=archive_members(target),
    )
    return Locked(path.stat().st_size, sha256(path), url)


def archive_members(target: Path) -> dict[str, int] | None:
    """Return what ``filelist.txt`` says of an archive's members; None for other files.

    Parameters
    ----------
    target
        The file; ``filelist.txt`` is looked for beside it.
    """
    listing = target.parent / "filelist.txt"
    if not target.name.endswith("_RAW.tar") or not listing.is_file():
        return None
    return parse_filelist(listing.read_text("utf-8", "replace"), name=str(listing)) or None


def _row(file: Wanted, entry: Locked, status: str) -> dict[str, object]:
    return {
        "file": file.path,
        "size": entry.size,
        "sha256": entry.sha256,
        "status": status,
        "reason": "",
    }


def _not_there(file: Wanted) -> str:
    name = posixpath.basename(file.path)
    if file.path.startswith("samples/"):
        return (
            f"{file.url}: the server has no such file: this sample cannot be fetched alone, the "
            "whole RAW.tar must be; run again without --only."
        )
    return (
        f"{file.url}: the server has no {name} (404). The series may not be public yet or may not "
        "exist; check the accession, and --base-url if it is given."
    )
