"""How a corrected share says what was done to it."""

from __future__ import annotations

import pandas as pd
import pytest

from cartscope.study.evidence._fractions import _how


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"method": "detection", "n_clipped": 0}, "corrected"),
        ({}, "corrected"),
        ({"method": "detection", "n_clipped": 2}, "corrected, clipped in 2"),
        ({"method": "as found", "n_clipped": 0}, "corrected, missed cells taken as found ones"),
        ({"method": "both", "n_clipped": 1}, "corrected, in two ways, clipped in 1"),
    ],
)
def test_the_way_of_correcting_and_the_clipped_patients_are_named(row, said):
    assert _how(pd.Series(row, dtype=object)) == said
