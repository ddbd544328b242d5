"""What a claim reads off the table of genes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as st

from cartscope.study.evidence.de import _values

ROW = {"log2_fc": 1.5, "se": 0.4, "p_value": 0.01, "fdr": 0.05}


@pytest.mark.parametrize("df", [3.0, 8.0, 26.5])
def test_the_interval_excludes_0_exactly_where_p_is_below_its_level(df):
    for log2_fc in (0.2, 1.0, 1.5, -3.0):
        found = _values(pd.Series({**ROW, "log2_fc": log2_fc, "df": df}))
        p = 2 * st.t.sf(abs(log2_fc) / ROW["se"], df)
        assert (found["ci_low"] > 0 or found["ci_high"] < 0) == (p < 0.05)
    assert found["ci_high"] - found["effect"] == pytest.approx(st.t.ppf(0.975, df) * ROW["se"])


def test_a_normal_statistic_and_a_table_without_df_have_the_normal_interval():
    for row in (ROW, {**ROW, "df": np.inf}):
        found = _values(pd.Series(row))
        assert found["ci_low"] == pytest.approx(1.5 - 1.959964 * 0.4, rel=1e-6)
