"""How often each test rejects where nothing differs: ``calibration.toml`` and its rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from cartscope._errors import ManifestError
from cartscope.manifest._base import Model, load_toml

Share = float


class CalibrationLevel(Model):
    """One kind of null cohort."""

    name: str = Field(pattern=r"^[a-z]+$")
    title: str = Field(min_length=3)
    cohorts: int = Field(gt=0)
    first_seed: int = Field(ge=0)
    what: str = Field(min_length=3)


class CalibrationRow(Model):
    """How often one test of one contrast rejected."""

    level: str
    role: Literal["decides", "beside"]
    test: str = Field(min_length=2)
    table: str = Field(min_length=2)
    engine: str = ""
    contrast: str
    what: str = Field(min_length=2)
    alpha: float = Field(gt=0, lt=1)
    cohorts: int = Field(gt=0)
    hits: int = Field(ge=0)
    rate: Share = Field(ge=0, le=1)
    low: Share = Field(ge=0, le=1)
    high: Share = Field(ge=0, le=1)
    expected: Share = Field(ge=0, le=1)
    verdict: Literal["holds", "borderline", "too many", "too few"]
    note: str = ""

    @model_validator(mode="after")
    def _lies_in_its_interval(self) -> CalibrationRow:
        slack = 1e-6
        if not self.low - slack <= self.rate <= self.high + slack:
            msg = f"rate {self.rate} lies outside of {self.low} to {self.high}"
            raise ValueError(msg)
        if self.hits > self.cohorts:
            msg = f"{self.hits} hits of {self.cohorts} cohorts"
            raise ValueError(msg)
        return self


class Measured(Model):
    """With what it was measured."""

    cartscope: str
    command: tuple[str, ...] = Field(min_length=1)
    bounds: str = Field(min_length=3)


class CalibrationHead(Model):
    """``calibration.toml``."""

    measured: Measured
    level: tuple[CalibrationLevel, ...] = Field(min_length=1)


class Calibration(CalibrationHead):
    """``calibration.toml`` with the rows of ``calibration.csv``."""

    row: tuple[CalibrationRow, ...]

    def of(self, table: str, contrast: str) -> tuple[CalibrationRow, ...]:
        """Return the rows of a table's test of one contrast.

        Parameters
        ----------
        table
            Of the evidence: ``"de"``, ``"gsea"``, ``"ligrec"``, ...
        contrast
            Its id.
        """
        return tuple(r for r in self.row if r.table == table and r.contrast == contrast)


def read_calibration(path: Path | str, rows: Path | str | None = None) -> Calibration:
    """Read what was measured of the tests.

    Parameters
    ----------
    path
        ``calibration.toml``.
    rows
        ``calibration.csv``; the one beside ``path`` if None.

    Returns
    -------
    How and on what it was measured, and a row per test, contrast and level.

    Raises
    ------
    ManifestError
        If a key is unknown, a value impossible or a level not described.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_calibration
    >>> len(read_calibration(manifest_dir() / "calibration.toml").row) > 0
    True
    """
    head = load_toml(path, CalibrationHead)
    table = Path(path).with_suffix(".csv") if rows is None else Path(rows)
    found = []
    try:
        with table.open(encoding="utf-8", newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle), start=2):
                found.append(_row(row, table=table, line=number))
    except OSError as error:
        msg = f"{table}: cannot be read ({error.strerror}); it holds the rows of {path}."
        raise ManifestError(msg) from error
    known = {level.name for level in head.level}
    if unknown := sorted({r.level for r in found} - known):
        msg = f"{table}: levels {unknown} are not described in {path}; add a [[level]] for each."
        raise ManifestError(msg)
    return Calibration(measured=head.measured, level=head.level, row=tuple(found))


def _row(row: dict[str, str], *, table: Path, line: int) -> CalibrationRow:
    try:
        return CalibrationRow.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "row"
        msg = f"{table}, line {line}, {where}: {first['msg']}; write it again with the benchmark."
        raise ManifestError(msg) from error
