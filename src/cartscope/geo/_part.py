"""A file that is being downloaded, and the note of which version its bytes are of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Source:
    """What identifies one version of a file on a server; stands beside its ``.part``."""

    url: str
    size: int | None = None
    etag: str = ""
    modified: str = ""

    @property
    def validator(self) -> str:
        """Value for If-Range: a strong ETag, else the date of change."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def differs(self, other: Source) -> bool:
        """Tell whether another answer is of another version, as far as the two say.

        Parameters
        ----------
        other
            What a later answer says.
        """
        pairs = [
            (self.size, other.size),
            (self.etag, other.etag),
            (self.modified, other.modified),
        ]
        return any(old and new and old != new for old, new in pairs)


def part_of(target: Path) -> Path:
    """Return the name of the file that is being downloaded.

    Parameters
    ----------
    target
        The name it will have.
    """
    return target.with_name(target.name + ".part")


def note_of(target: Path) -> Path:
    """Return the name of the note beside the part.

    Parameters
    ----------
    target
        The name the file will have.
    """
    return target.with_name(target.name + ".part.json")


def size_of(path: Path) -> int:
    """Return a file's size in bytes, 0 if it is not there.

    Parameters
    ----------
    path
        The file.
    """
    return path.stat().st_size if path.is_file() else 0


def read_note(target: Path) -> Source | None:
    """Return which version the part is of, or None if that is not known.

    Parameters
    ----------
    target
        The name the file will have.
    """
    try:
        return Source(**json.loads(note_of(target).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_note(target: Path, source: Source) -> None:
    """Record which version the part is of.

    Parameters
    ----------
    target
        The name the file will have.
    source
        The version.
    """
    note_of(target).write_text(json.dumps(asdict(source)), "utf-8")


def settle(target: Path) -> None:
    """Give a downloaded file its name.

    Parameters
    ----------
    target
        The name.
    """
    part_of(target).replace(target)
    note_of(target).unlink(missing_ok=True)


def discard(target: Path) -> None:
    """Drop what was downloaded of a file.

    Parameters
    ----------
    target
        The name it would have had.
    """
    part_of(target).unlink(missing_ok=True)
    note_of(target).unlink(missing_ok=True)
