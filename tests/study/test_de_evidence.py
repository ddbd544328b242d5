"""Intervals of log2 fold changes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as st

from cartscope.study.evidence import de


@pytest.mark.parametrize(
    ("given", "quantile"), [({"df": 6.0}, 2.4469), ({"df": np.inf}, 1.96), ({}, 1.96)]
)
def test_an_interval_uses_the_degrees_of_freedom_of_its_statistic(given, quantile):
    row = pd.Series({"log2_fc": 1.0, "se": 0.5, "p_value": 0.1, "fdr": 0.2, **given})
    found = de._values(row)
    assert found["ci_high"] - 1 == pytest.approx(0.5 * quantile, rel=1e-4)
    assert 1 - found["ci_low"] == pytest.approx(0.5 * quantile, rel=1e-4)


@pytest.mark.parametrize("log2_fc", [0.2, 1.0, 1.5, -3.0])
def test_an_interval_excludes_0_exactly_where_p_is_below_its_level(log2_fc):
    for df in (3.0, 8.0, 26.5):
        row = pd.Series({"log2_fc": log2_fc, "se": 0.4, "p_value": 0.1, "fdr": 0.2, "df": df})
        found = de._values(row)
        p = 2 * st.t.sf(abs(log2_fc) / 0.4, df)
        assert (found["ci_low"] > 0 or found["ci_high"] < 0) == (p < 0.05)
