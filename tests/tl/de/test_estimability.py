"""What a design can estimate, on the geometry of the two cohorts (SIMULATED, no real patient)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cartscope._errors import EstimabilityError, InputError
from cartscope._schema import ESTIMABILITY
from cartscope.tl import differential_expression, estimability, fit_differential_expression

UNTREATED = {"n11", "n12", "n13", "n14"}


@pytest.fixture
def cohort():
    """New study: 6 low and 4 high with anakinra, 4 low without; comparator: 6 low, 10 high."""
    obs = pd.DataFrame(
        {
            "study": ["new"] * 14 + ["comparator"] * 16,
            "anakinra": [True] * 10 + [False] * 20,
            "group": ["low"] * 6 + ["high"] * 4 + ["low"] * 4 + ["low"] * 6 + ["high"] * 10,
        },
        index=[f"n{i:02d}" for i in range(1, 15)] + [f"c{i:02d}" for i in range(1, 17)],
    )
    obs["group"] = pd.Categorical(obs["group"], ["low", "high"])
    return obs


def test_untreated_new_patients_have_weight_zero_with_study(cohort):
    report = estimability(cohort, design="~ anakinra * group + study", contrast="anakinra:group")
    assert report.estimable
    weights = report.weights["contrast"]
    assert set(weights.index[weights == 0]) == UNTREATED
    # exactly (new high - new low) - (comparator high - comparator low)
    expected = pd.Series(0.0, index=cohort.index)
    for study, sign in (("new", 1), ("comparator", -1)):
        for level, side in (("high", 1), ("low", -1)):
            cell = (cohort["study"] == study) & (cohort["group"] == level)
            if study == "new":
                cell &= cohort["anakinra"]
            expected[cell] = sign * side / cell.sum()
    np.testing.assert_allclose(weights, expected, atol=1e-12)
    row = report.table.query("kind == 'contrast'").iloc[0]
    assert row["n_patients"] == 26
    assert row["note"] == "weight 0: n11, n12, n13, n14"


def test_anakinra_x_crs_cannot_be_told_from_study_x_crs(cohort):
    report = estimability(cohort, design="~ anakinra * group + study", contrast="anakinra:group")
    assert report.not_separable == ["group x study"]
    without = estimability(
        cohort, design="~ anakinra * group", contrast="anakinra:group", confounders=["study"]
    )
    assert "group x study" in without.not_separable
    assert "not separable: group x study" in without.message


def test_without_study_the_untreated_new_patients_leak_into_the_no_anakinra_effect(cohort):
    report = estimability(cohort, design="~ anakinra * group", contrast=("group", "high", "low"))
    assert not set(report.weights.index[report.weights["contrast"] == 0]) & UNTREATED
    adjusted = estimability(
        cohort, design="~ anakinra * group + study", contrast=("group", "high", "low")
    )
    assert set(adjusted.weights.index[adjusted.weights["contrast"] == 0]) >= UNTREATED


def test_three_way_design_has_not_full_rank_and_names_the_aliased_terms(cohort):
    report = estimability(cohort, design="~ anakinra * group * study", contrast="anakinra:group")
    assert not report.estimable
    aliased = report.table.query("kind == 'aliased'").set_index("name")["note"]
    assert aliased["anakinra=True x study=new"] == "is a combination of anakinra=True"
    assert "group=high x study=new" in aliased.index
    assert "group=high x study=new" in report.message
    empty = report.table.query("kind == 'cell' and n_patients == 0")
    assert "anakinra=False x group=high x study=new" in set(empty["name"])
    assert (empty["note"] == "empty").all()


def test_grade_cannot_be_told_from_treatment(cohort):
    cohort["tocilizumab"] = np.where(cohort["group"] == "high", "true", "false")
    report = estimability(
        cohort,
        design="~ anakinra + group",
        contrast=("group", "high", "low"),
        confounders=["tocilizumab"],
    )
    assert "tocilizumab" in report.not_separable
    cohort.loc["c16", "tocilizumab"] = "false"
    cohort.loc["c01", "tocilizumab"] = None
    blurred = estimability(
        cohort,
        design="~ anakinra + group",
        contrast=("group", "high", "low"),
        confounders=["tocilizumab"],
    )
    row = blurred.table.query("kind == 'blurred by' and name == 'tocilizumab'").iloc[0]
    assert "multiplies the variance by" in row["note"]
    assert "1 sample(s) without a value left out" in row["note"]


def test_weights_are_those_of_least_squares(cohort, rng):
    y = rng.normal(size=len(cohort))
    report = estimability(cohort, design="~ anakinra * group + study")
    design = fit_design(cohort, "~ anakinra * group + study")
    betas = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(report.weights.T @ y, betas, atol=1e-10)


def fit_design(obs, formula):
    from cartscope.tl.de._design import build_design

    return build_design(obs, formula).matrix


def test_patients_are_counted_once(cohort):
    twice = pd.concat([cohort, cohort])
    twice["patient"] = twice.index
    twice.index = [f"s{i}" for i in range(len(twice))]
    report = estimability(twice, design="~ study", patient="patient")
    counts = report.table.query("kind == 'cell'").set_index("name")["n_patients"]
    assert counts.to_dict() == {"study=comparator": 16, "study=new": 14}


def test_table_follows_its_schema_and_input_is_untouched(cohort):
    before = cohort.copy()
    data = AnnData(np.ones((30, 2)), obs=cohort)
    report = estimability(
        data, design="~ study + group", contrast="group", confounders=["anakinra"]
    )
    assert ESTIMABILITY.check(report.table).equals(report.table)
    assert cohort.equals(before)
    assert str(report) == report.message


@pytest.fixture
def data(cohort, rng):
    return AnnData(rng.poisson(20, (30, 40)).astype(float), obs=cohort)


@pytest.mark.parametrize("engine", ["deseq2", "limma_voom"])
def test_inestimable_contrast_raises_with_its_report_and_others_go_on(engine, data):
    fit = fit_differential_expression(data, design="~ anakinra * group * study", engine=engine)
    with pytest.raises(EstimabilityError, match=r"depends on .*cannot tell apart") as caught:
        fit.test("anakinra:group")
    assert not caught.value.report.estimable
    assert "aliased" in caught.value.report.message
    assert "\n" not in str(caught.value)
    assert fit.test(("group", "high", "low"))["p_value"].notna().all()


def test_single_level_factor(data):
    data.obs["site"] = "Boston"
    with pytest.raises(EstimabilityError, match="'site' has the single level 'Boston'") as caught:
        differential_expression(data, design="~ site + group", contrast="group")
    assert not caught.value.report.estimable
    assert "single level" in estimability(data, design="~ site + group").message


def test_missing_value_in_a_design_column_names_the_samples(data):
    data.obs["group"] = data.obs["group"].astype(object)
    data.obs.loc[["n03", "c02"], "group"] = None
    with pytest.raises(
        InputError, match=r"obs\['group'\] is missing in 2 sample\(s\) \(n03, c02\)"
    ):
        differential_expression(data, design="~ group", contrast=("group", "high", "low"))
    data.obs["age"] = np.where(data.obs_names == "n01", np.inf, 60.0)
    with pytest.raises(InputError, match=r"obs\['age'\] holds infinite values"):
        differential_expression(data, design="~ age", contrast="age")


def test_fewer_than_two_in_a_group(data):
    data.obs["responder"] = ["yes", *["no"] * 29]
    fit = fit_differential_expression(data, design="~ responder")
    with pytest.raises(EstimabilityError, match=r"responder = yes has 1 sample\(s\)"):
        fit.test(("responder", "yes", "no"))


def test_no_variation_left_between_patients(data):
    with pytest.raises(EstimabilityError, match="2 samples for 2 coefficients leave nothing"):
        fit_differential_expression(data[[0, 6]].copy(), design="~ group")


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        (("grade", "high", "low"), "names 'grade', which is not in the design"),
        (("group", "hi", "low"), r"group = 'hi', but these samples have \['low', 'high'\]"),
        (("group", "low", "low"), "with itself"),
        ("grup", "'grup' is no coefficient of the design"),
        ([1, 0], "the design has 3 coefficients"),
        ([0, 0, 0], "zero everywhere"),
        ([1, np.nan, 0], "one finite number for each"),
        ({"group": 1}, r"must be \(factor, level, reference\)"),
        (("age", "old", "young"), r"obs\['age'\] holds numbers"),
    ],
)
def test_unknown_contrasts(contrast, message, data):
    data.obs["age"] = np.linspace(30, 80, 30)
    fit = fit_differential_expression(data, design="~ age + group", engine="limma_voom")
    with pytest.raises(InputError, match=message):
        fit.test(contrast)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ("~ grup", r"obs has no column 'grup'\. Did you mean 'group'\?"),
        ("group", "must start with '~'"),
        ("y ~ group", "must start with '~'"),
        ("~ group +* study", "is not a formula"),
    ],
)
def test_unreadable_designs(design, message, data):
    with pytest.raises(InputError, match=message):
        fit_differential_expression(data, design=design)


def test_unknown_columns_of_the_report(cohort):
    with pytest.raises(InputError, match="obs has no column 'centre'"):
        estimability(cohort, design="~ group", confounders=["centre"])


def test_true_false_and_zero_one_groups(data):
    data.obs["flag"] = data.obs["group"] == "high"
    data.obs["number"] = data.obs["flag"].astype(int)
    named = differential_expression(data, design="~ group", contrast=("group", "high", "low"))
    for factor, level, reference in (("flag", True, False), ("number", 1, 0)):
        table = differential_expression(
            data, design=f"~ {factor}", contrast=(factor, level, reference)
        )
        np.testing.assert_allclose(table["stat"], named["stat"], rtol=1e-6, atol=1e-8)
        assert table["contrast"][0] == f"{factor}: {level} vs {reference}"


def test_order_of_categories_sets_the_reference_and_unused_levels_go(cohort):
    from cartscope.tl.de._design import build_design

    cohort["arm"] = pd.Categorical(np.where(cohort["anakinra"], "a", "z"), ["unused", "z", "a"])
    design = build_design(cohort, "~ arm")
    assert design.names == ("Intercept", "arm[T.a]")
    assert design.levels("arm") == ["z", "a"]
