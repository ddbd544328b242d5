"""A table of the report: headings and rows of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the report: headings with their meaning, and rows of text."""

    headings: tuple[tuple[str, str], ...]  # heading, meaning
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]


def table_of(frame: pd.DataFrame, columns: dict[str, tuple[str, str]]) -> Table:
    """Return columns of a frame as a table of the report.

    Parameters
    ----------
    frame
        The frame.
    columns
        Column of the frame -> heading and meaning.
    """
    numeric = tuple(pd.api.types.is_numeric_dtype(frame[c]) for c in columns)
    rows = tuple(
        tuple(spell(row[c]) for c in columns) for row in frame[list(columns)].to_dict("records")
    )
    return Table(headings=tuple(columns.values()), rows=rows, numeric=numeric)


def spell(value: object) -> str:
    """Spell a value for a reader; nothing where it is missing.

    Parameters
    ----------
    value
        Number or text.
    """
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return "" if np.isnan(value) else ("inf" if value > 0 else "-inf")
        return f"{int(value):,}" if value == int(value) and abs(value) >= 1 else f"{value:.3g}"
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return f"{int(value):,}"
    return str(value)


def short_names(names: Iterable[str]) -> str:
    """Spell names, each once, without the part before the last hyphen where it repeats.

    Parameters
    ----------
    names
        Names of patients, ``"GSE197268-4"`` say.
    """
    out, last = [], None
    for name in sorted(set(names), key=_natural):
        head, _, tail = name.rpartition("-")
        out.append(f"-{tail}" if head and head == last else name)
        last = head
    return ", ".join(out)


def _natural(name: str) -> tuple[str, int, str]:
    head, _, tail = name.rpartition("-")
    return head, int(tail) if tail.isdecimal() else 0, tail
