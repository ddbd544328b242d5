"""Options that several commands read alike."""

from __future__ import annotations

import os

from cartscope._errors import InputError

MIN_CELLS = 2000
PAPER = "paper"


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def number_of_cells(text: str | None) -> int | None:
    """Read ``--cells``: a number, ``paper``, or nothing.

    Parameters
    ----------
    text
        What the user wrote.
    """
    from cartscope.study import PAPER_CELLS

    if text is None:
        return None
    if text == PAPER:
        return PAPER_CELLS
    if not text.isdigit() or int(text) < MIN_CELLS:
        msg = f"--cells is {text!r}, but must be a number of {MIN_CELLS} or more, or `paper`."
        raise InputError(msg)
    return int(text)
