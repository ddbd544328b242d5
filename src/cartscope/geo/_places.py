"""Where GEO keeps a series, and where its copy stands on disk."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from cartscope._errors import InputError

BASE_URL: Final = "https://ftp.ncbi.nlm.nih.gov"
_SERIES = re.compile(r"GSE[0-9]{1,9}")
_SAMPLE = re.compile(r"GSM[A-Z0-9]{1,20}")


def check_accession(accession: str) -> str:
    """Return a series accession in capitals, or raise before anything is opened.

    Parameters
    ----------
    accession
        For instance ``"GSE246490"``.

    Returns
    -------
    The accession.

    Raises
    ------
    InputError
        If it is not GSE and a number.

    Examples
    --------
    >>> from cartscope.geo import check_accession
    >>> check_accession("gse246490")
    'GSE246490'
    """
    name = str(accession).strip().upper()
    if not _SERIES.fullmatch(name):
        msg = (
            f"accession {accession!r} is not a GEO series; expected GSE and a number, "
            "for instance GSE246490."
        )
        raise InputError(msg)
    return name


def series_path(accession: str) -> str:
    """Return a series' path on GEO's server, from ``geo/`` on.

    Parameters
    ----------
    accession
        For instance ``"GSE246490"``.

    Returns
    -------
    A path without a slash at either end.

    Examples
    --------
    >>> from cartscope.geo import series_path
    >>> series_path("GSE246490")
    'geo/series/GSE246nnn/GSE246490'
    """
    name = check_accession(accession)
    return f"geo/series/{_stub(name)}/{name}"


def sample_path(gsm: str) -> str:
    """Return a sample's path on GEO's server, from ``geo/`` on.

    Parameters
    ----------
    gsm
        For instance ``"GSM5911983"``.

    Returns
    -------
    A path without a slash at either end.

    Raises
    ------
    InputError
        If it is no sample accession.

    Examples
    --------
    >>> from cartscope.geo import sample_path
    >>> sample_path("GSM5911983")
    'geo/samples/GSM5911nnn/GSM5911983'
    """
    if not _SAMPLE.fullmatch(gsm):
        msg = f"{gsm!r} is not a GEO sample; expected GSM and a number, for instance GSM5911983."
        raise InputError(msg)
    return f"geo/samples/{_stub(gsm)}/{gsm}"


def _stub(name: str) -> str:
    return f"{name[:-3]}nnn" if len(name) > len("GSE") + 3 else f"{name[:3]}nnn"


def default_dest() -> Path:
    """Return the folder that downloads go to unless another is named.

    Returns
    -------
    ``cartscope`` in the user's cache folder: ``$XDG_CACHE_HOME`` or ``~/.cache``;
    ``~/Library/Caches`` on macOS; ``%LOCALAPPDATA%`` on Windows.

    Examples
    --------
    >>> from cartscope.geo import default_dest
    >>> default_dest().name
    'cartscope'
    """
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "cartscope"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "cartscope"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # the XDG specification says that a relative path is to be ignored
    return (Path(cache) if Path(cache).is_absolute() else home / ".cache") / "cartscope"


def series_dir(accession: str, dest: Path | str) -> Path:
    """Return the folder below ``dest`` that a series is downloaded to.

    Parameters
    ----------
    accession
        For instance ``"GSE246490"``.
    dest
        Root of the tree that mirrors GEO's.

    Returns
    -------
    A path; it need not exist.

    Examples
    --------
    >>> from cartscope.geo import series_dir
    >>> series_dir("GSE246490", "data").as_posix()
    'data/geo/series/GSE246nnn/GSE246490'
    """
    return Path(dest) / series_path(accession)


def find_series(dest: Path | str, accession: str) -> Path:
    """Return the folder of a series that is already on disk.

    Parameters
    ----------
    dest
        Root of a tree with ``geo/series``, the series' own folder, or any folder that holds its
        ``RAW.tar``.
    accession
        For instance ``"GSE246490"``.

    Returns
    -------
    The folder that holds ``suppl/`` or the archive itself.

    Raises
    ------
    InputError
        If nothing of the series is there.
    """
    name = check_accession(accession)
    dest = Path(dest)
    candidates = [series_dir(name, dest), dest / name, dest]
    for folder in candidates:
        if any((folder / sub).is_dir() for sub in ("suppl", "samples")) and _is_of(folder, name):
            return folder
        if (folder / f"{name}_RAW.tar").is_file():
            return folder
    msg = (
        f"{dest}: nothing of {name}; looked in {candidates[0]} and for {name}_RAW.tar. "
        f"Fetch it with: cartscope geo get {name} --dest {dest}"
    )
    raise InputError(msg)


def relative_to(path: Path, dest: Path) -> str:
    """Return a path as seen from ``dest`` when it lies below it, else in full.

    Parameters
    ----------
    path
        File or folder.
    dest
        Where relative paths start.
    """
    full, root = Path(os.path.abspath(path)), Path(os.path.abspath(dest))  # noqa: PTH100
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else full.as_posix()


def _is_of(folder: Path, name: str) -> bool:
    """Tell whether a folder belongs to this series and not to another one."""
    if folder.name == name:
        return True
    return any(folder.glob(f"*/{name}_*"))
