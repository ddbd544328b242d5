"""Checksums of downloaded files, recorded when first seen and held to ever after."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from cartscope._errors import IntegrityError
from cartscope.geo._integrity import sha256

LOCK_NAME: Final = ".cartscope-lock.json"


@dataclass(frozen=True)
class Locked:
    """What is known of one file."""

    size: int
    sha256: str
    url: str = ""


def read_lock(folder: Path | str) -> dict[str, Locked]:
    """Return the recorded files of a series' folder, by path relative to it.

    Parameters
    ----------
    folder
        The series' folder.

    Raises
    ------
    IntegrityError
        If the lock file is there and cannot be read.
    """
    path = Path(folder) / LOCK_NAME
    try:
        data = json.loads(path.read_text("utf-8"))
        return {name: Locked(**entry) for name, entry in data["files"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"{path}: not a lock file ({error}); restore it, or delete it to record anew."
        raise IntegrityError(msg) from error


def write_lock(folder: Path | str, files: dict[str, Locked]) -> None:
    """Write the lock file of a series' folder, whole or not at all.

    Parameters
    ----------
    folder
        The series' folder.
    files
        Recorded files, by path relative to the folder.
    """
    folder = Path(folder)
    text = json.dumps(
        {"version": 1, "files": {name: asdict(files[name]) for name in sorted(files)}}, indent=1
    )
    # not tempfile: its files are readable by their owner only, and the lock stays
    temporary = folder / f"{LOCK_NAME}.{os.getpid()}"
    temporary.write_text(text + "\n", "utf-8")
    temporary.replace(folder / LOCK_NAME)


def check_against(path: Path | str, entry: Locked, *, content: bool = True) -> None:
    """Raise IntegrityError unless a file is the one that was recorded.

    Parameters
    ----------
    path
        The file.
    entry
        What was recorded.
    content
        Read the whole file; else compare sizes only.
    """
    path = Path(path)
    size = path.stat().st_size
    cure = (
        "It is not used: delete it and get it again, or, if the new version is the right one, "
        f"delete its entry in {LOCK_NAME} as well."
    )
    if size != entry.size:
        kind = "cut off" if size < entry.size else "altered"
        msg = f"{path}: {kind}: {size:,} bytes, recorded were {entry.size:,}. {cure}"
        raise IntegrityError(msg)
    if content and (found := sha256(path)) != entry.sha256:
        msg = f"{path}: altered: sha256 {found}, recorded was {entry.sha256}. {cure}"
        raise IntegrityError(msg)


def check_locked(folder: Path | str) -> None:
    """Raise IntegrityError if a recorded file that is still there is not what was recorded.

    Parameters
    ----------
    folder
        The series' folder.
    """
    for name, entry in read_lock(folder).items():
        path = Path(folder) / name
        if path.is_file():
            check_against(path, entry)
