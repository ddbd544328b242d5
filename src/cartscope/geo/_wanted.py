"""Which files make up a series, or the samples that a user wants of it."""

from __future__ import annotations

import fnmatch
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from cartscope._errors import InputError
from cartscope.geo._http import fetch_text
from cartscope.geo._listing import parse_folder, safe_name
from cartscope.geo._places import BASE_URL, sample_path
from cartscope.geo._soft import read_soft

if TYPE_CHECKING:
    from pathlib import Path

_FOLDERS: Final = ("soft", "suppl", "matrix")
_SHOWN: Final = 5


@dataclass(frozen=True)
class Wanted:
    """One file to fetch: its address and its path below the series' folder."""

    url: str
    path: str
    required: bool = True


def check_base_url(base_url: str) -> str:
    """Return an address without a slash at its end, or raise InputError.

    Parameters
    ----------
    base_url
        What stands before ``/geo/series/...``.
    """
    text = str(base_url)
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        good = False
    if not good or parts.query or parts.fragment or not text.isprintable() or " " in text:
        msg = (
            f"base_url {base_url!r} is not an http or https address; "
            f"give what stands before /geo/series/..., for instance {BASE_URL}."
        )
        raise InputError(msg)
    return text.rstrip("/").removesuffix("/geo")


def files_of_series(root: str, name: str, retry_seconds: float) -> list[Wanted]:
    """Return every file of a series, by the server's own listings where it has them.

    Parameters
    ----------
    root
        Address of the series.
    name
        Its accession.
    retry_seconds
        How long to go on asking for a listing.
    """
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
            Wanted(f"{root}/{sub}/{quote(n)}", f"{sub}/{n}", needed) for n, needed in names.items()
        ]
    return files


def files_of_samples(soft: Path, base: str, only: str) -> list[Wanted]:
    """Return the files of the samples that a pattern matches, as SOFT lists them.

    Parameters
    ----------
    soft
        The family file.
    base
        What stands before ``/geo/samples/...``.
    only
        Shell pattern on accession, title or file name, in any case.

    Raises
    ------
    InputError
        If nothing matches, or a matching sample has no file of its own.
    """
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
            files.append(Wanted(url, f"samples/{sample.accession}/{n}"))
    if not n_found:
        titles = [s.first("title") for s in samples]
        msg = (
            f"--only {only!r} matches none of the {len(titles)} samples; "
            f"titles are like {titles[:4]}. Use * for any text, for instance '*D7*'."
        )
        raise InputError(msg)
    if bare:
        msg = (
            f"{soft.name} lists no file of {', '.join(bare[:_SHOWN])}"
            f"{' and others' if len(bare) > _SHOWN else ''}: single samples cannot be fetched, "
            "the whole RAW.tar must be; run again without --only."
        )
        raise InputError(msg)
    return files
