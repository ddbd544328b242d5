"""Tests of a composition between patients: small records holding a pure function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from cartscope.tl._patient_test import rank_columns

Function = Callable[[np.ndarray, np.ndarray, np.ndarray], pd.DataFrame]


@dataclass(frozen=True)
class CompositionTest:
    """A way to compare fractions.

    ``function(counts, totals, in_group)`` takes patients x parts, patients, patients, and returns
    a row per part with the columns of :func:`rank_columns`, stat and effect.
    """

    name: str
    describe: str
    function: Function


def _fractions(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    return counts / totals[:, None]


def _mann_whitney(counts: np.ndarray, totals: np.ndarray, in_group: np.ndarray) -> pd.DataFrame:
    table = rank_columns(_fractions(counts, totals), in_group)
    table["stat"] = table["u"]
    table["effect"] = table["median_group"] - table["median_reference"]
    return table


COMPOSITION_TESTS: Final[dict[str, CompositionTest]] = {
    test.name: test
    for test in (
        CompositionTest("mann_whitney", "exact two-sided U test of the fractions", _mann_whitney),
    )
}
