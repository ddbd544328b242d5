"""Checks that the simulators share."""

from __future__ import annotations

from cartscope._errors import InputError
from cartscope.simulate._sizes import PAPER_TOTAL


def strength_of(effect: float, *, null: bool) -> float:
    """Factor on planted effects: 0 where none are planted."""
    if not effect >= 0:
        msg = f"effect: {effect} is not a strength; give 0 or above (1 is as published)."
        raise InputError(msg)
    return 0.0 if null else float(effect)


def cells_of(cells: int | str) -> int:
    """Sound cells of the study as a number."""
    if isinstance(cells, str):
        if cells != "paper":
            msg = f"cells: {cells!r} is neither a number nor 'paper'."
            raise InputError(msg)
        return PAPER_TOTAL
    return int(cells)


def jobs_of(n_jobs: int) -> int:
    """Workers, at least one."""
    if n_jobs < 1:
        msg = f"n_jobs: {n_jobs} workers cannot work; give 1 or more."
        raise InputError(msg)
    return int(n_jobs)
