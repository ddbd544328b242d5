from __future__ import annotations

import numpy as np
import pytest

from cartscope._errors import EstimabilityError, InputError
from cartscope.tl import fit_differential_expression, interaction_effects


def test_both_simple_effects_stand_beside_it(fits, cases):
    fit = fits("interaction")
    table = interaction_effects(fit, "group", "anakinra", name="crs")
    parts = dict(list(table.groupby("contrast", sort=False)))
    assert list(parts) == ["crs within anakinra=no", "crs within anakinra=yes", "crs"]
    for part, key in zip(parts.values(), ("simple_no", "simple_yes", "interaction"), strict=True):
        alone = fit.test(cases["interaction"].contrasts[key])
        np.testing.assert_allclose(part["log2_fc"], alone["log2_fc"])
        np.testing.assert_allclose(part["stat"], alone["stat"])
    assert interaction_effects(fit, "group", "anakinra")["contrast"].unique().tolist() == [
        "group: high vs low within anakinra=no",
        "group: high vs low within anakinra=yes",
        "anakinra=yes x group=high",
    ]


def test_planted_interactions_are_found_where_they_are(fits):
    # genes 61-110 change by 2.5 log2 units with the group, under anakinra only
    table = interaction_effects(fits("interaction"), "group", "anakinra", name="crs")
    parts = dict(list(table.groupby("contrast", sort=False)))
    strong = (parts["crs"]["base_mean"] > 10).to_numpy() & (np.arange(900) >= 60)
    strong &= np.arange(900) < 110
    assert strong.sum() > 10
    assert parts["crs"].loc[strong.nonzero()[0] + 1800, "log2_fc"].abs().median() > 1.8
    assert parts["crs within anakinra=no"].loc[strong, "log2_fc"].abs().median() < 0.7


def test_zero_one_groups(pseudobulk, fits):
    data = pseudobulk("interaction")
    data.obs["high"] = (data.obs["group"] == "high").astype(int)
    fit = fit_differential_expression(data, design="~ anakinra * high")
    table = interaction_effects(fit, "high", "anakinra")
    named = interaction_effects(fits("interaction"), "group", "anakinra")
    settled = (named["se"] < 2).to_numpy()
    np.testing.assert_allclose(table["stat"][settled], named["stat"][settled], atol=1e-4)


def test_refusals(pseudobulk, fits):
    with pytest.raises(InputError, match=r"has no interaction of 'group' and 'sex'"):
        interaction_effects(fits("covariates"), "group", "sex")
    data = pseudobulk("interaction")
    data.obs["site"] = ["a", "b", "c"] * 8
    fit = fit_differential_expression(data, design="~ site * group")
    with pytest.raises(InputError, match=r"'site' has the levels \['a', 'b', 'c'\]"):
        interaction_effects(fit, "group", "site")
    empty = (data.obs["anakinra"] == "no") & (data.obs["group"] == "high")
    fit = fit_differential_expression(data[~empty].copy(), design="~ anakinra * group")
    with pytest.raises(EstimabilityError, match="cannot tell apart"):
        interaction_effects(fit, "group", "anakinra")
