"""--deep: where claims lie among permuted labels of the patients."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import anndata
import numpy as np
import pandas as pd
import pytest

from cartscope import stats
from cartscope._schema import CLAIMS_DETAIL
from cartscope.manifest import Claim
from cartscope.study import all_steps, reproduce
from cartscope.study.ledger._permutation_columns import NOT_DEEP, add_permutations
from cartscope.study.redo import _label_tests
from cartscope.study.redo._label_statistics import log_cpm, mean_differences, shrunken_t
from cartscope.study.redo._label_tests import permute_families
from cartscope.study.redo._patient_values import share_families

CONTRAST = "composition_crs_anakinra"
STEPS = ("permutations", "claims")


@pytest.fixture(scope="module")
def deep(finished, tmp_path_factory):
    """The finished run with --deep: two steps more, and the report."""
    import shutil

    out = tmp_path_factory.mktemp("deep") / "results"
    shutil.copytree(finished.context.settings.out, out)
    return reproduce(replace(finished.context.settings, out=out, deep=True), only=["claims"])


def test_only_what_depends_on_it_runs_again(deep):
    assert {s.name for s in deep.steps if not s.skipped} == set(STEPS)


def test_without_it_the_ledger_says_so(finished):
    claims = finished.context.read_table("claims.csv").set_index("id")
    assert claims.loc["cycling-car-negative", "permutation"] == NOT_DEEP
    assert claims["permutation_p"].isna().all()
    assert finished.context.read_table("tables/permutations.csv").empty


def test_one_stratum_gives_the_exact_test(deep):
    """Ranks permuted within one stratum are the U test's own distribution."""
    ctx = deep.context
    found = ctx.read_table("tables/permutations.csv").set_index(["table", "contrast", "entry"])
    cycling = ctx.read_table("tables/cycling.csv")
    row = cycling[cycling["contrast"] == "cycling_car_neg_anakinra"].iloc[0]
    one = found.loc["cycling", row["contrast"], f"{row['population']} {row['car_status']}"]
    assert one["n_permutations"] == 252
    np.testing.assert_allclose(one["permutation_p"], row["p_value"])
    np.testing.assert_allclose(one["min_p"], stats.smallest_p(5, 5))


def test_it_is_the_same_whatever_the_jobs_and_the_order(deep, monkeypatch):
    ctx = deep.context
    monkeypatch.setattr(_label_tests, "_CHUNK", 7)
    family = next(iter(share_families(ctx, "composition", [CONTRAST])))
    found = pd.DataFrame(permute_families(ctx, [family])).set_index("entry")
    there = ctx.read_table("tables/permutations.csv")
    there = there[(there["table"] == "composition") & (there["contrast"] == CONTRAST)]
    there = there.set_index("entry").loc[found.index]
    np.testing.assert_allclose(found["permutation_p"], there["permutation_p"])


def test_the_ledger_has_the_position_or_says_why_not(deep):
    claims = deep.context.read_table("claims.csv").set_index("id")
    one = claims.loc["cycling-car-negative"]
    assert 0 < one["permutation_p"] <= 1
    assert one["permutation"].endswith("all 252 relabellings within study x anakinra")
    assert "no labels of patients" in claims.loc["cell-types-found", "permutation"]
    known = claims[claims["computed"] != ""]
    assert (known["permutation"] != "").all()
    assert (known["permutation"] != NOT_DEEP).all()


def test_it_stands_in_the_provenance(deep):
    assert "deep" in all_steps()["provenance"].settings


def test_mean_differences_under_every_labelling():
    values = np.array([[1.0, 1.0], [2.0, np.nan], [4.0, 3.0], [8.0, 5.0]])
    sides = np.array([[True, True, False, False], [False, False, True, True], [True] * 4])
    found = mean_differences(values, sides)
    np.testing.assert_allclose(found[0], [1.5 - 6.0, 1.0 - 4.0])
    np.testing.assert_allclose(found[1], -found[0])
    assert np.isnan(found[2]).all()


def test_the_t_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(10, 3))
    sides = np.array([[True] * 4 + [False] * 6])
    found = shrunken_t(y, sides, fixed=np.ones((10, 1)), modifier=None, fudge=0.0)
    from scipy.stats import ttest_ind

    np.testing.assert_allclose(found[0], ttest_ind(y[:4], y[4:]).statistic)
    smaller = shrunken_t(y, sides, fixed=np.ones((10, 1)), modifier=None, fudge=1.0)
    assert (np.abs(smaller) < np.abs(found)).all()


def test_an_interaction_is_the_difference_of_two_arms():
    rng = np.random.default_rng(1)
    arm = np.repeat([0.0, 1.0], 6)
    sides = np.tile([True, True, True, False, False, False], 2)
    y = rng.normal(0, 0.1, (12, 2))
    y[:, 0] += 3.0 * sides * arm
    fixed = np.column_stack([np.ones(12), arm])
    found = shrunken_t(y, sides[None, :], fixed=fixed, modifier=arm, fudge=0.0)[0]
    assert found[0] > 10
    assert abs(found[1]) < 4


def test_labels_that_do_not_vary_beside_a_covariate_have_no_statistic():
    fixed = np.column_stack([np.ones(4), [0.0, 0.0, 1.0, 1.0]])
    sides = np.array([[False, False, True, True]])
    y = np.arange(8.0).reshape(4, 2)
    found = shrunken_t(y, sides, fixed=fixed, modifier=None, fudge=0.1)
    assert np.isnan(found).all()


def test_a_planted_gene_is_at_the_floor_and_others_are_spread():
    """All 252 labellings of five against five, of a statistic that knows no labels."""
    rng = np.random.default_rng(2)
    counts = rng.poisson(200, (10, 40))
    counts[:, 0] = rng.poisson(20, 10)  # too little to shift the others' share
    counts[:5, 0] *= 4
    values = log_cpm(anndata.AnnData(counts.astype(float)))
    sides = np.array([[i in c for i in range(10)] for c in combinations(range(10), 5)])
    t = np.abs(shrunken_t(values, sides, fixed=np.ones((10, 1)), modifier=None, fudge=0.05))
    p = (t >= t[0] - 1e-12).mean(axis=0)
    np.testing.assert_allclose(p[0], 2 / 252)
    assert 0.3 < p[1:].mean() < 0.7


def detail(**values):
    default = {"id": "c", "feature": "G", "table": "de", "contrast": "k", "entry": "G"}
    return pd.DataFrame([CLAIMS_DETAIL.blank(**{**default, "effect": 1.0, **values})])


class _Run:
    """A run with one table."""

    class settings:
        deep = True

    def __init__(self, **row):
        default = {"table": "de", "contrast": "k", "entry": "G", "reason": ""}
        self._row = {**default, **row}

    def read_table(self, _):
        return pd.DataFrame([self._row])


def claim(kind="test"):
    return Claim(id="c", panel="1A", statement="s", quantity="q", data="geo", kind=kind)


def test_too_few_relabellings_are_not_attainable():
    run = _Run(permutation_p=0.5, n_permutations=2, min_p=0.5, how="all 2 relabellings")
    found = add_permutations(run, claim(), detail())
    assert found["permutation"].endswith("not attainable: all 2 relabellings give at least 0.5")


def test_no_relabelling_says_why():
    nan = float("nan")
    run = _Run(permutation_p=nan, n_permutations=0, min_p=nan, how="",
               reason="not attainable: groups don't vary within any stratum")  # fmt: skip
    found = add_permutations(run, claim(), detail())
    assert np.isnan(found["permutation_p"])
    assert found["permutation"].startswith("not attainable: groups")


def test_a_test_is_as_weak_as_its_weakest_row_and_a_null_as_its_strongest():
    run = _Run()
    rows = [
        {"table": "de", "contrast": "k", "entry": e, "permutation_p": p, "n_permutations": 99,
         "min_p": 0.01, "how": "all", "reason": ""} for e, p in (("G", 0.02), ("H", 0.4))
    ]  # fmt: skip
    run.read_table = lambda _: pd.DataFrame(rows)
    both = pd.concat([detail(), detail(entry="H")], ignore_index=True)
    assert add_permutations(run, claim(), both.copy())["permutation_p"] == 0.4
    assert add_permutations(run, claim("null"), both.copy())["permutation_p"] == 0.02
