"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; put it in its place when the block ends well.

    Parameters
    ----------
    path
        File or folder to write. An earlier one stays as it is until the new one is whole.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # always the same name, so that what a killed run left is cleared away by the next
    temporary = target.with_name(f".{target.name}.part")
    _remove(temporary)
    try:
        yield temporary
        _exchange(temporary, target)
    finally:
        _remove(temporary)


def _exchange(new: Path, target: Path) -> None:
    if new.is_dir() or target.is_dir():
        # a folder cannot be replaced in one step: set the old one aside, then rename
        aside = target.with_name(f".{target.name}.old")
        _remove(aside)
        existed = target.exists()
        if existed:
            target.rename(aside)
        try:
            new.rename(target)
        except OSError:
            if existed:
                aside.rename(target)
            raise
        _remove(aside)
    else:
        new.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
