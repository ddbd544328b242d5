from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope._errors import EstimabilityError, InputError
from cartscope.tl import fit_differential_expression, interaction_effects
from cartscope.tl.de._contrast import resolve_contrast
from cartscope.tl.de._design import build_design


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


def test_an_effect_within_one_arm_is_a_contrast_by_name(fits, cases):
    fit = fits("interaction")
    for arm, key in (("no", "simple_no"), ("yes", "simple_yes")):
        table = fit.test(("group", "high", "low", {"anakinra": arm}))
        assert table["contrast"][0] == f"group: high vs low within anakinra={arm}"
        alone = fit.test(cases["interaction"].contrasts[key])
        silent = (table["log2_fc"] == 0) & (alone["log2_fc"] != 0)
        assert silent.mean() < 0.1  # no count in the arm: nothing to compare
        columns = ["log2_fc", "stat"]
        np.testing.assert_allclose(table.loc[~silent, columns], alone.loc[~silent, columns])


def test_genes_silent_in_the_arm_are_not_compared_in_it(pseudobulk):
    data = pseudobulk("interaction")
    arm = (data.obs["anakinra"] == "yes").to_numpy()
    data.X[arm, 5] = 0
    data.X[~arm, 5] = 50
    fit = fit_differential_expression(data, design="~ anakinra * group")
    row = fit.test(("group", "high", "low", {"anakinra": "yes"})).iloc[5]
    assert (row["log2_fc"], row["p_value"]) == (0, 1)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ({"arm": "yes"}, "contrast stands at arm = 'yes', but '~ anakinra"),
        ({"anakinra": "maybe"}, r"anakinra = 'maybe', but these samples have \['no', 'yes'\]"),
        ({"group": "high"}, "compares group and stands at group = 'high'; leave that out"),
        ("anakinra", r"stands at 'anakinra'; its fourth entry is \{variable: level\}"),
    ],
)
def test_impossible_places_are_named(at, message, fits):
    with pytest.raises(InputError, match=message):
        fits("interaction").test(("group", "high", "low", at))


def test_a_number_to_stand_at_must_be_one():
    obs = pd.DataFrame({"group": list("abab"), "age": [1.0, 2, 3, 5]})
    design = build_design(obs, "~ group * age")
    assert resolve_contrast(design, ("group", "b", "a", {"age": 2})).vector.tolist() == [0, 1, 0, 2]
    with pytest.raises(InputError, match="stands at age = 'old', but that column holds numbers"):
        resolve_contrast(design, ("group", "b", "a", {"age": "old"}))


def test_a_group_of_one_within_an_arm_is_refused(pseudobulk):
    data = pseudobulk("interaction")
    high = np.flatnonzero((data.obs["anakinra"] == "yes") & (data.obs["group"] == "high"))
    rest = np.setdiff1d(np.arange(data.n_obs), high[1:])
    fit = fit_differential_expression(data[rest].copy(), design="~ anakinra * group")
    with pytest.raises(EstimabilityError, match=r"group = high has 1 sample\(s\)"):
        fit.test(("group", "high", "low", {"anakinra": "yes"}))
    assert fit.test(("group", "high", "low", {"anakinra": "no"}))["p_value"].notna().any()
