from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ALTERNATIVES = {"two.sided": "two-sided", "greater": "greater", "less": "less"}
VECTORS = ("x", "y", "d")
WORDS = ("kind", "alternative")


def _read(key: str, value: str) -> object:
    if key in VECTORS:
        return np.array([float(part) for part in value.split(";")])
    if key == "alternative":
        return ALTERNATIVES[value]
    return value if key in WORDS else float("nan" if value == "NA" else value)


@pytest.fixture(scope="session")
def r_answers() -> Callable[[str], list[dict]]:
    """Rows of a table that r/make.R wrote; versions are in r/versions.txt."""

    def read(name: str) -> list[dict]:
        with (Path(__file__).parent / "r" / f"{name}.csv").open() as file:
            return [{k: _read(k, v) for k, v in row.items()} for row in csv.DictReader(file)]

    return read
