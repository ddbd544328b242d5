"""Fetch a series from GEO, whole or sample by sample."""

from __future__ import annotations

import fnmatch
import posixpath
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from cartscope._errors import DownloadError, InputError, IntegrityError
from cartscope._schema import GEO_FILES
from cartscope.geo._http import discard, fetch, fetch_text, part_of, settle
from cartscope.geo._integrity import check_file, sha256
from cartscope.geo._listing import parse_filelist, parse_folder, safe_name
from cartscope.geo._lock import LOCK_NAME, Locked, check_against, read_lock, write_lock
from cartscope.geo._places import BASE_URL, check_accession, sample_path, series_dir, series_path
from cartscope.geo._soft import read_soft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd

_FOLDERS: Final = ("soft", "suppl", "matrix")


@dataclass(frozen=True)
class _File:
    """One file to fetch: its address and its path below the series' folder."""

    url: str
    path: str
    required: bool = True


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
    soft = _File(f"{root}/soft/{name}_family.soft.gz", f"soft/{name}_family.soft.gz")
    rows = _fetch_all(job, [soft], n_jobs=1)
    if only is not None:
        files = _files_of_samples(folder / soft.path, base, only)
    else:
        files = _files_of_series(root, name, retry_seconds)
        listed = [f for f in files if f.path == "suppl/filelist.txt"]
        # first, since the archive is checked against it
        rows += _fetch_all(job, listed, n_jobs=1)
        files = [f for f in files if f not in listed and f.path != soft.path]
    rows += _fetch_all(job, files, n_jobs=n_jobs)
    import pandas as pd

    return GEO_FILES.check(pd.DataFrame(rows, columns=list(GEO_FILES.columns)))


def check_base_url(base_url: str) -> str:
    """Return an address without a slash at its end, or raise InputError.

    Parameters
    ----------
    base_url
        What stands before ``/geo/series/...``.
    """
    parts = urlsplit(str(base_url))
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        msg = (
            f"base_url {base_url!r} is not an http or https address; "
            f"give what stands before /geo/series/..., for instance {BASE_URL}."
        )
        raise InputError(msg)
    return str(base_url).rstrip("/").removesuffix("/geo")


def _files_of_series(root: str, name: str, retry_seconds: float) -> list[_File]:
    """Return every file of a series, by the server's own listings where it has them."""
    archive = f"{name}_RAW.tar"
    expected = {
        "soft": {f"{name}_family.soft.gz": True},
        "suppl": {"filelist.txt": False, archive: True},
        "matrix": {f"{name}_series_matrix.txt.gz": False},
    }
    files = []
    for sub in _FOLDERS:
        page = fetch_text(f"{root}/{sub}/", retry_seconds=retry_seconds)
        names = expected[sub]
        if page is not None and (listed := parse_folder(page)):
            if sub == "suppl":
                # some series have no archive but single files; then all of these are needed
                names = dict.fromkeys(listed, True)
            else:
                names = {n: n in names for n in listed if n.startswith(name)}
        files += [
            _File(f"{root}/{sub}/{quote(n)}", f"{sub}/{n}", needed) for n, needed in names.items()
        ]
    return files


def _files_of_samples(soft: Path, base: str, only: str) -> list[_File]:
    samples = read_soft(soft).samples
    pattern = only.lower()
    files, bare, n_found = [], [], 0
    for sample in samples:
        title = sample.first("title")
        listed = [
            (a, unquote(posixpath.basename(urlsplit(a).path))) for a in sample.supplementary_files
        ]
        texts = [sample.accession, title, *(n for _, n in listed)]
        if not any(fnmatch.fnmatchcase(t.lower(), pattern) for t in texts):
            continue
        n_found += 1
        names = [n for _, n in listed if safe_name(n)]
        if not names:
            bare.append(f"{sample.accession} ({title})")
        for n in names:
            url = f"{base}/{sample_path(sample.accession)}/suppl/{quote(n)}"
            files.append(_File(url, f"samples/{sample.accession}/{n}"))
    if not n_found:
        titles = [s.first("title") for s in samples]
        msg = (
            f"--only {only!r} matches none of the {len(titles)} samples; "
            f"titles are like {titles[:4]}. Use * for any text, for instance '*D7*'."
        )
        raise InputError(msg)
    if bare:
        msg = (
            f"{soft.name} lists no file of {', '.join(bare[:5])}"
            f"{' and others' if len(bare) > 5 else ''}: single samples cannot be fetched, "  # noqa: PLR2004
            "the whole RAW.tar must be; run again without --only."
        )
        raise InputError(msg)
    return files


def _fetch_all(job: _Job, files: Iterable[_File], *, n_jobs: int) -> list[dict[str, object]]:
    files = list(files)
    for file in files:
        (job.folder / file.path).parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    problems: list[Exception] = []
    with ThreadPoolExecutor(max_workers=max(1, n_jobs)) as pool:
        # the other files go on when one fails, and what they fetched is kept
        for future in [pool.submit(_fetch_one, job, file) for file in files]:
            try:
                row, entry = future.result()
            except (DownloadError, IntegrityError) as problem:
                problems.append(problem)
                continue
            rows.append(row)
            if entry is not None:
                write_lock(job.folder, {**read_lock(job.folder), str(row["file"]): entry})
    if problems:
        if len(problems) > 1:
            text = "; ".join(str(p) for p in problems)
            raise type(problems[0])(text) from problems[0]
        raise problems[0]
    return rows


def _fetch_one(job: _Job, file: _File) -> tuple[dict[str, object], Locked | None]:
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
    check_file(path, name=target.name, members=archive_members(target))
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


def _row(file: _File, entry: Locked, status: str) -> dict[str, object]:
    return {
        "file": file.path,
        "size": entry.size,
        "sha256": entry.sha256,
        "status": status,
        "reason": "",
    }


def _not_there(file: _File) -> str:
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
