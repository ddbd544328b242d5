"""The benchmark that says whether tests hold: it has to notice one that doesn't."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cartscope import stats
from cartscope.manifest import manifest_dir, read_claims
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.redo._permuted import STEPS

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import calibration
from _calibration import cohorts, dealt, joint, records

WAYS = stats.relabel(list("aaaabbbbbb"))
EXACT = [
    stats.mann_whitney(np.flatnonzero(one == "a"), np.flatnonzero(one == "b")).p_value
    for one in WAYS.labels
]


def cohort_of(p, *, test="DE, quasi-likelihood", n=(4, 6)) -> list[dict]:
    """One test on features with these p; the first five are named."""
    names = [f"g{i:03}" for i in range(len(p))]
    return [
        {
            "test": test,
            "contrast": "c",
            "n_group": n[0],
            "n_reference": n[1],
            "n": len(p),
            "below": [int((p < a).sum()) for a in records.ALPHAS],
            "level": [
                stats.attainable_level(*n, alpha=a) if "exact" in test else a
                for a in records.ALPHAS
            ],
            "any_q": bool((stats.benjamini_hochberg(p) < 0.1).any()),
            "named": dict(zip(names[:5], p[:5].tolist(), strict=True)),
            "named_q": dict(zip(names[:5], stats.benjamini_hochberg(p)[:5].tolist(), strict=True)),
        }
    ]


def verdicts(draw, rng, *, n=400, **more) -> pd.DataFrame:
    found = {f"{i:04}": cohort_of(draw(rng), **more) for i in range(n)}
    table = records.summarize(found, level="x")
    shown = table[table["what"].isin(records.HEADLINES)]
    return shown.set_index(["what", "alpha"])


def test_a_sound_test_holds(rng):
    found = verdicts(lambda r: r.uniform(size=200), rng)
    # one in twenty leaves the 95% bounds by chance
    assert found["verdict"].isin(["holds", "borderline"]).all()
    assert (found["verdict"] == "holds").sum() >= 5
    assert found.loc[(records.NAMED, 0.05), "cohorts"] == 400


def test_a_test_that_rejects_too_often_is_noticed(rng):
    found = verdicts(lambda r: r.uniform(size=200) ** 1.6, rng)
    assert set(found.drop((records.NAMED_Q, 0.1))["verdict"]) == {"too many"}
    # after correction over 200 features a single one is still called in few cohorts
    assert found.loc[(records.NAMED_Q, 0.1), "verdict"] == "holds"


def test_one_shared_factor_is_noticed_in_the_named_feature_and_not_by_the_pooled_rate(rng):
    """Features that move together: the rate over features is right, no cohort alone is."""

    def together(r):
        return np.full(200, r.uniform())

    found = verdicts(together, rng)
    assert found.loc[(records.EVERY, 0.05), "low"] < 0.05 < found.loc[(records.EVERY, 0.05), "high"]
    # 200 features give 400 looks no more than 400 cohorts do
    width = found.loc[(records.EVERY, 0.05), "high"] - found.loc[(records.EVERY, 0.05), "low"]
    assert width > 0.03


def test_a_test_that_never_rejects_is_noticed(rng):
    found = verdicts(lambda r: 0.2 + 0.8 * r.uniform(size=200), rng)
    assert set(found.loc[[records.NAMED, records.EVERY], "verdict"]) <= {"too few", "holds"}
    assert found.loc[(records.NAMED, 0.05), "verdict"] == "too few"
    assert found.loc[(records.ANY, 0.1), "verdict"] == "holds"  # no false call is no fault


def test_exact_tests_are_held_to_what_their_patients_allow(rng):
    test = "composition, exact U"
    found = verdicts(lambda r: r.choice(EXACT, size=20), rng, test=test)
    row = found.loc[(records.NAMED, 0.05)]
    assert row["expected"] == pytest.approx(8 / 210)
    assert row["verdict"] in {"holds", "borderline"}
    assert found.loc[(records.EVERY, 0.05), "verdict"] == "holds"
    # the nominal level of a continuous test is above what 4 against 6 can give
    found = verdicts(lambda r: r.uniform(size=20), rng, n=4000, test=test)
    assert found.loc[(records.EVERY, 0.05), "verdict"] == "too many"


def test_the_feature_is_chosen_by_the_cohorts_number_alone():
    one = {"cohort": 7, "named": {"a": 0.9, "b": 0.01, "c": 0.5}}
    assert records._in_turn(one, ["a", "b", "c"]) == 0.01
    assert records._in_turn({**one, "named": {"a": 0.9}}, ["a", "b", "c"]) == 0.9
    assert records._in_turn({**one, "named": {}}, ["a"]) is None


def test_records_tell_tests_and_families_apart():
    rows = {"contrast": "k", "n_group": 4, "n_reference": 6, "population": "Treg"}
    shares = pd.DataFrame(
        [
            {**rows, "analysis": "composition", "p_value": 0.02, "fdr": 0.2},
            {**rows, "analysis": "cycling", "p_value": 0.6, "fdr": 0.05},
            {**rows, "analysis": "cycling", "p_value": np.nan, "fdr": np.nan},
        ]
    )
    genes = pd.DataFrame(
        {"contrast": "d", "gene": ["CXCL10", "X"], "p_value": [0.004, 0.5], "fdr": [0.008, 0.5]}
    )
    found = records.record(
        {"tables/corrected.csv": shares, "tables/de_recommended.csv": genes},
        named={"de": {"d": ["CXCL10", "RETN"]}, "corrected": {"k": ["Treg"]}},
        sizes={"d": (4, 6)},
    )
    by_test = {r["test"]: r for r in found}
    de = by_test["DE, quasi-likelihood"]
    assert (de["below"], de["named"], de["any_q"]) == ([1, 1], {"CXCL10": 0.004}, True)
    assert (de["n_group"], de["n_reference"]) == (4, 6)
    corrected = by_test["composition, corrected for missed CAR T"]
    assert (corrected["below"], corrected["named"], corrected["any_q"]) == (
        [1, 0],
        {"Treg": 0.02},
        False,
    )
    assert by_test["cycling, corrected for missed CAR T"]["named"] == {"Treg": 0.6}


def test_any_call_is_of_one_family():
    row = {"contrast": "k", "n_group": 4, "n_reference": 6}
    table = pd.DataFrame(
        [
            {**row, "population": "CD8", "p_value": 0.01, "fdr": 0.02, "family_size": 2},
            {**row, "population": "Treg", "p_value": 0.3, "fdr": 0.9, "family_size": 10},
        ]
    )
    (found,) = records.record({"tables/composition.csv": table}, named={}, sizes={})
    assert (found["any_q"], found["named_q"]["CD8"]) == (False, 0.02)


def test_what_claims_name_is_spelt_as_in_the_records():
    named = records.named_features(read_claims(manifest_dir() / "claims.toml"))
    assert {"CXCL10", "RETN"} <= set(named["de"]["mono_crs_anakinra"])
    assert "CXCL10 CXCR3 cd14_monocyte car_pos_cd8" in named["ligrec"]["ligrec_crs_anakinra"]
    assert named["composition"]["composition_crs_no_anakinra"] == ["Treg", "CD8"]


def test_dealt_cells_miss_car_t_cells_more_where_they_expanded():
    cells, calls = cohorts.dealt_cells(3)
    obs = cells.obs
    blood = obs[(obs["timepoint"] == "day7") & ~obs["sorted"].astype(bool)]
    negative = blood[(blood["cell_type"] == "T") & (blood["car_status"] == "negative")]
    missed = negative.groupby("patient", observed=True)["true_car"].mean()
    samples = cohorts.sample_table().drop_duplicates("patient").set_index("patient")
    high = samples["crs_grade"].reindex(missed.index) >= 2
    assert missed[high].median() > 1.5 * missed[~high].median()
    # the audit knows the chance of each cell, so it is right but for the cells there are
    said = calls[(calls["timepoint"] == "day7") & (calls["sorted"] == "false")]
    said = said.set_index("patient")["missed_share"].reindex(missed.index)
    assert float((said - missed).abs().median()) < 0.03
    found = (blood["car_status"] == "positive").sum()
    assert 0.75 < found / blood["true_car"].sum() < 0.85


def test_a_stopped_benchmark_goes_on(tmp_path, monkeypatch):
    asked = []

    def tables(seed, _folder):
        asked.append(seed)
        _folder.mkdir()
        p = np.random.default_rng(seed).uniform(size=50)
        table = pd.DataFrame({"contrast": "c", "gene": [f"g{i}" for i in range(50)], "p_value": p})
        return {"tables/de_recommended.csv": table.assign(fdr=1.0)}, {"c": (4, 6)}

    monkeypatch.setitem(cohorts.PARTS, "genes", tables)
    options = SimpleNamespace(cache=tmp_path, seed=10, cohorts=3, parts=["genes"])
    calibration.run_patients(options, {"de": {"c": ["g1"]}})
    options.cohorts = 5
    calibration.run_patients(options, {"de": {"c": ["g1"]}})
    assert asked == [10, 11, 12, 13, 14]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["patients"]
    kept = json.loads((tmp_path / "patients" / "genes" / "000012.json").read_text())
    assert kept[0]["named"].keys() == {"g1"}
    table = calibration.summary(tmp_path)
    assert table.loc[table["what"] == records.NAMED, "cohorts"].tolist() == [5, 5]
    assert records.show(table).startswith("patients, what claims and calls rest on\n")


def test_an_empty_cache_says_what_to_run(tmp_path):
    with pytest.raises(SystemExit, match="holds no cohort; run one of patients, cells, labels"):
        calibration.summary(tmp_path)


def test_a_mean_share_is_not_off_by_what_does_not_matter():
    bounds = (0.0515, 0.0525), (0.0512, 0.0528)
    assert records.verdict(*bounds, expected=0.05) == "too many"
    assert records.verdict(*bounds, expected=0.05, margin=0.005) == "borderline"
    assert records.verdict((0.056, 0.058), (0.0555, 0.0585), expected=0.05, margin=0.005) == (
        "too many"
    )
    assert records.verdict((0.044, 0.046), (0.043, 0.047), expected=0.05, margin=0.005) == "holds"
    assert records.verdict((0.041, 0.042), (0.04, 0.043), expected=0.05, margin=0.005) == "too few"


def test_shares_are_tested_as_the_steps_test_them(tmp_path):
    cells, calls = cohorts.dealt_cells(4)
    given = {cohorts.SAMPLES: cohorts.sample_table(), cohorts.CALLS: calls}
    run = InMemory(cohorts._base(4, tmp_path), tables=given, cells=cells)
    theirs = run.run(STEPS[name] for name in ("composition", "cycling", "corrected"))
    ours, _ = cohorts.shares(4, tmp_path)
    for artifact, by in (
        ("tables/composition.csv", ["contrast", "population"]),
        ("tables/cycling.csv", ["contrast"]),
        ("tables/corrected.csv", ["analysis", "contrast"]),
    ):
        a, b = (t[artifact][t[artifact]["p_value"].notna()] for t in (ours, theirs))
        order = [*by, "p_value", "fdr"]
        pd.testing.assert_frame_equal(
            a.sort_values(order)[order].reset_index(drop=True),
            b.sort_values(order)[order].reset_index(drop=True),
            check_dtype=False,
        )


def test_few_cohorts_that_agree_by_chance_are_no_proof():
    counts = np.array([[0, 12]] * 12)
    assert records._mean(counts, 0.038)["verdict"] == "holds"
    assert records._mean(np.repeat(counts, 100, axis=0), 0.038)["verdict"] == "too few"


def test_the_level_of_an_exact_test_is_that_of_its_ties_and_strata():
    values = np.array([0.0, 0, 0, 0, 1, 0, 0, 2, 0, 0])
    group = np.arange(10) < 4
    level = dealt.exact_level(values, (group, None), 0.05)
    p = [
        stats.mann_whitney(values[one], values[~one]).p_value for one in stats.relabel(group).labels
    ]
    assert level == pytest.approx(np.mean(np.array(p) < 0.05))
    assert level < stats.attainable_level(4, 6)
    strata = np.repeat(["a", "b"], 5)
    untied = np.arange(10.0)
    within = dealt.exact_level(untied, (group, strata), 0.05)
    assert within == pytest.approx(stats.attainable_level([4, 0], [1, 5]))
    assert np.isnan(dealt.exact_level(untied, (np.zeros(10, bool), None), 0.05))


def test_rows_whose_ties_leave_no_p_below_alpha_are_not_expected_to_reject():
    rows = pd.DataFrame({"n_group": 4, "n_reference": 6, "min_p": [0.0095, 0.03, 0.2]})
    np.testing.assert_allclose(records.levels(rows, (4, 6), 0.05), [8 / 210, 8 / 210, 0])
    np.testing.assert_allclose(records.levels(rows, (4, 6), 0.01), [2 / 210, 0, 0])


def test_two_tables_that_ask_the_same_call_what_both_call():
    sets = pd.DataFrame(
        {"contrast": "c", "gene_set": list("abc"), "p_value": [0.001, 0.5, 0.01],
         "fdr": [0.003, 0.5, 0.015]}
    )  # fmt: skip
    scores = pd.DataFrame(
        {"contrast": "c", "gene_set": list("ab"), "p_value": [0.04, 0.01], "fdr": [0.08, 0.02],
         "n_group": 4, "n_reference": 6}
    )  # fmt: skip
    both = joint.joint({"tables/gsea.csv": sets, "tables/gene_set_scores.csv": scores})
    table = both["both_sets.csv"].set_index("gene_set")
    assert table["p_value"].to_dict() == {"a": 0.04, "b": 0.5}
    assert table["fdr"].to_dict() == {"a": 0.08, "b": 0.5}
    shares = pd.DataFrame(
        {"contrast": ["c", "d"], "population": "Treg", "p_value": [0.01, 0.02], "fdr": 0.05}
    )
    corrected = shares.assign(analysis="composition", p_value=[0.3, np.nan], fdr=[0.3, np.nan])
    both = joint.joint({"tables/composition.csv": shares, "tables/corrected.csv": corrected})
    # what cannot be corrected is called by the one table there is
    assert both["both_shares.csv"]["p_value"].tolist() == [0.3, 0.02]


def test_the_conclusion_names_what_claims_rest_on_and_is_off(rng):
    found = {f"{i:04}": cohort_of(rng.uniform(size=200) ** 1.6) for i in range(200)}
    table = records.summarize(found, level="x")
    said = records.conclusion(table)
    assert "6 rows that claims rest on" in said
    assert "off: x, DE, quasi-likelihood, c, every feature 0.05" in said
    beside = records.conclusion(table.assign(role=records.BESIDE))
    assert beside.startswith("0 rows")
    assert "off:" not in beside
