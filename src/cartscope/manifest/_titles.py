"""What a sample's title says, read by the patterns of a manifest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, get_args

from pydantic import Field, field_validator, model_validator

from cartscope.manifest._base import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

Column = Literal["patient", "timepoint", "sorted", "anakinra"]
COLUMNS: Final = get_args(Column)


class Pattern(Model):
    """A regular expression that gives one column a value where it is found in a title.

    Among the patterns of a column that match, those of the lowest ``order`` decide; when these
    disagree the title is ambiguous, and nothing is guessed. In ``value``, ``{1}`` stands for the
    first group; a format such as ``{1:02d}`` pads a number.
    """

    field: Column
    regex: str
    value: str
    status: Literal["confirmed", "unconfirmed"]
    order: int = Field(default=0, ge=0)
    note: str = ""

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            msg = f"not a regular expression: {error}"
            raise ValueError(msg) from error
        return value

    @model_validator(mode="after")
    def _value_fits(self) -> Pattern:
        if self.field in {"sorted", "anakinra"} and self.value not in {"true", "false"}:
            msg = f"value of a {self.field} pattern must be 'true' or 'false', not {self.value!r}"
            raise ValueError(msg)
        groups = re.compile(self.regex).groups
        try:
            self.value.format(*range(groups + 1))
        except (IndexError, KeyError, ValueError) as error:
            msg = f"value {self.value!r} does not fit a regex with {groups} group(s): {error}"
            raise ValueError(msg) from error
        return self

    def read(self, title: str) -> str | None:
        """Return the value the pattern finds in a title, or None.

        Parameters
        ----------
        title
            What to read.
        """
        found = re.search(self.regex, title)
        if found is None:
            return None
        words = [found.group(0), *found.groups(default="")]
        # numbers lose their leading zeros, so that "1" and "01" are the same patient
        return self.value.format(*(int(w) if w.isascii() and w.isdigit() else w for w in words))


class Reading(Model):
    """What a title says; empty where it says nothing."""

    patient: str = ""
    timepoint: str = ""
    sorted: str = ""
    anakinra: str = ""
    unconfirmed: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


def in_order(columns: Iterable[str]) -> tuple[str, ...]:
    """Return columns in the order in which they are always named.

    Parameters
    ----------
    columns
        Some of ``COLUMNS``.
    """
    return tuple(sorted(set(columns), key=COLUMNS.index))


def read_title(patterns: Iterable[Pattern], title: str) -> Reading:
    r"""Read a title by patterns.

    Parameters
    ----------
    patterns
        Patterns of all columns.
    title
        What to read.

    Returns
    -------
    The value of every column, the columns that rest on unconfirmed patterns only, and those on
    which the patterns disagree, spelled as ``"timepoint: day7 or infusion_product"``.

    Examples
    --------
    >>> from cartscope.manifest._titles import Pattern, read_title
    >>> p = Pattern(field="patient", regex=r"^P(\d+)", value="{1}", status="confirmed")
    >>> read_title([p], "P07 day 7").patient
    '7'
    """
    patterns = list(patterns)
    values: dict[str, str] = {}
    unconfirmed, ambiguous = [], []
    for column in COLUMNS:
        hits = [(p, p.read(title)) for p in patterns if p.field == column]
        hits = [(p, value) for p, value in hits if value is not None]
        if not hits:
            continue
        first = min(p.order for p, _ in hits)
        deciding = [(p, value) for p, value in hits if p.order == first]
        found = sorted({value for _, value in deciding if value is not None})
        if len(found) > 1:
            ambiguous.append(f"{column}: {' or '.join(found)}")
            continue
        values[column] = found[0]
        if all(p.status == "unconfirmed" for p, _ in deciding):
            unconfirmed.append(column)
    return Reading(**values, unconfirmed=tuple(unconfirmed), ambiguous=tuple(ambiguous))
