from __future__ import annotations

from itertools import combinations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import COMPOSITION, FRACTIONS
from cartscope.tl import COMPOSITION_TESTS, composition, composition_fractions
from cartscope.tl._composition_tests import moderated_variances

CONTRAST = ("crs", "high", "low")


def cells_of(shares: dict[str, dict[str, int]], group: dict[str, object], **more) -> ad.AnnData:
    """Cells without X from {patient: {part: number of cells}}."""
    rows = [
        {"patient": patient, "t_subset": part, "crs": group.get(patient)}
        for patient, parts in shares.items()
        for part, n in parts.items()
        for _ in range(n)
    ]
    obs = pd.DataFrame(rows).assign(**more)
    obs.index = [f"cell{i}" for i in range(len(obs))]
    return ad.AnnData(obs=obs)


@pytest.fixture
def cohort() -> ad.AnnData:
    treg = {"a": 30, "b": 26, "c": 34, "d": 9, "e": 12, "f": 5, "g": 8}
    group = dict.fromkeys("abc", "high") | dict.fromkeys("defg", "low")
    shares = {p: {"Treg": n, "CD8": 60, "CD4 CM": 110 - n} for p, n in treg.items()}
    return cells_of(shares, group)


def test_fractions_are_cells_over_cells(cohort):
    long = composition_fractions(cohort, parts="t_subset")
    FRACTIONS.check(long)
    treg = long[long["population"] == "Treg"].set_index("sample_or_patient")
    assert treg.loc["a", "fraction"] == 30 / 170
    assert (treg["n_cells"] == 170).all()
    assert long.groupby("sample_or_patient")["fraction"].sum().to_numpy() == pytest.approx(1)


def test_planted_difference_reaches_the_floor_of_three_against_four(cohort):
    before = cohort.obs.copy()
    table = composition(cohort, parts="t_subset", contrast=CONTRAST, name="S9D")
    COMPOSITION.check(table)
    pd.testing.assert_frame_equal(cohort.obs, before)
    treg = table.set_index("population").loc["Treg"]
    assert treg["p_value"] == pytest.approx(2 / 35)
    assert treg["min_p"] == pytest.approx(2 / 35)
    assert treg["u"] == 12
    assert treg["median_group"] == 30 / 170
    assert (treg["n_group"], treg["n_reference"], treg["contrast"]) == (3, 4, "S9D")
    assert treg["shift"] == pytest.approx(21.5 / 170)
    assert np.isinf(
        [treg["shift_low"], treg["shift_high"]]
    ).all()  # 3 against 4 gives no 95% interval


def test_fdr_is_benjamini_hochberg_over_the_parts(cohort):
    table = composition(cohort, parts="t_subset", contrast=CONTRAST)
    assert (table["family_size"] == 3).all()
    assert table["fdr"].to_numpy() == pytest.approx(
        stats.false_discovery_control(table["p_value"].to_numpy())
    )


def test_p_is_that_of_all_relabelings_of_patients(cohort):
    long = composition_fractions(cohort, parts="t_subset")
    values = long[long["population"] == "CD4 CM"].set_index("sample_or_patient")["fraction"]
    ranks = values.rank()
    center = 3 * 8 / 2
    seen = abs(ranks[["a", "b", "c"]].sum() - center)
    far = [abs(ranks[list(c)].sum() - center) >= seen - 1e-9 for c in combinations("abcdefg", 3)]
    table = composition(cohort, parts="t_subset", contrast=CONTRAST).set_index("population")
    assert table.loc["CD4 CM", "p_value"] == pytest.approx(np.mean(far))


def test_a_part_that_a_patient_lacks_is_zero_and_one_that_nobody_has_leaves_the_family(cohort):
    values = cohort.obs["t_subset"].where(cohort.obs["patient"] != "f", "CD8")
    cohort.obs["t_subset"] = pd.Categorical(values, categories=["CD8", "CD4 CM", "Treg", "TEMRA"])
    table = composition(cohort, parts="t_subset", contrast=CONTRAST).set_index("population")
    assert table.loc["TEMRA", "reason"].startswith("absent")
    assert np.isnan(table.loc["TEMRA", "p_value"])
    assert (table["family_size"] == 3).all()
    assert table.loc["TEMRA", ["n_group", "n_reference"]].tolist() == [3, 4]
    long = composition_fractions(cohort, parts="t_subset")
    treg = long[long["population"] == "Treg"].set_index("sample_or_patient")["fraction"]
    assert treg["f"] == 0


def test_patients_with_few_cells_are_left_out_and_named():
    shares = {p: {"Treg": 20, "CD8": 20} for p in "abcdef"} | {"f": {"Treg": 3}}
    cells = cells_of(shares, dict.fromkeys("abc", 2) | dict.fromkeys("def", 1))
    table = composition(cells, parts="t_subset", contrast=("crs", 2, 1))
    assert table["n_reference"].tolist() == [2, 2]
    assert table.attrs["few_cells"] == ["f"]


def test_min_cells_itself_is_enough():
    shares = {p: {"Treg": 10, "CD8": 15} for p in "abcdef"} | {"f": {"Treg": 10, "CD8": 14}}
    cells = cells_of(shares, dict.fromkeys("abc", "high") | dict.fromkeys("def", "low"))
    table = composition(cells, parts="t_subset", contrast=CONTRAST, min_cells=25)
    assert table[["n_group", "n_reference"]].to_numpy().tolist() == [[3, 2], [3, 2]]


def test_too_few_cells_everywhere_is_a_row_with_a_reason():
    shares = {p: {"Treg": 2, "CD8": 2} for p in "abcdef"}
    cells = cells_of(shares, dict.fromkeys("abc", "high") | dict.fromkeys("def", "low"))
    for test in COMPOSITION_TESTS:
        table = composition(cells, parts="t_subset", contrast=CONTRAST, test=test)
        assert table["reason"].str.startswith("too few cells: no patient of the group and").all()
        assert table["p_value"].isna().all()


def test_unassigned_cells_count_in_the_whole_only():
    shares = {p: {"Treg": 25, "unassigned": 50, "CD8": 25} for p in "abcdef"}
    cells = cells_of(shares, dict.fromkeys("abc", "high") | dict.fromkeys("def", "low"))
    long = composition_fractions(cells, parts="t_subset")
    assert set(long["population"]) == {"Treg", "CD8"}
    assert (long["fraction"] == 0.25).all()


def test_levels_are_compared_as_text(cohort):
    cohort.obs["grade"] = cohort.obs["crs"].map({"high": 2.0, "low": 1.0})
    by_number = composition(cohort, parts="t_subset", contrast=("grade", "2", 1), name="x")
    by_word = composition(cohort, parts="t_subset", contrast=CONTRAST, name="x")
    pd.testing.assert_frame_equal(by_number, by_word)


def test_patients_without_a_grade_are_named(cohort):
    cohort.obs.loc[cohort.obs["patient"] == "g", "crs"] = np.nan
    table = composition(cohort, parts="t_subset", contrast=CONTRAST)
    assert table.attrs["left_out"] == ["g"]
    assert (table["n_reference"] == 3).all()


def test_car_sorted_libraries_are_refused_outside_car_positive_cells(cohort):
    cohort.obs["sorted"] = cohort.obs["patient"] == "a"
    with pytest.raises(InputError, match="170 of 1190 cells come from CAR-sorted libraries"):
        composition(cohort, parts="t_subset", contrast=CONTRAST)
    with pytest.raises(InputError, match="sorted_key=None"):
        composition_fractions(cohort, parts="t_subset")
    everyone = composition(cohort, parts="t_subset", contrast=CONTRAST, sorted_key=None)
    assert (everyone["car_status"] == "all").all()
    cohort.obs["car_status"] = "positive"
    inside = composition(cohort, parts="t_subset", contrast=CONTRAST)
    assert (inside["car_status"] == "positive").all()


@pytest.mark.parametrize("spelling", [True, "True", "true"])
def test_sorted_is_recognised_however_it_was_read(cohort, spelling):
    cohort.obs["sorted"] = pd.Series([spelling] * cohort.n_obs, cohort.obs_names, dtype=object)
    with pytest.raises(InputError, match="CAR-sorted"):
        composition(cohort, parts="t_subset", contrast=CONTRAST)


def test_a_patient_with_both_levels_is_refused(cohort):
    cohort.obs.iloc[0, cohort.obs.columns.get_loc("crs")] = "low"
    with pytest.raises(InputError, match=r"'a' has \['high', 'low'\]"):
        composition(cohort, parts="t_subset", contrast=CONTRAST)


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        (("crs", "hihg", "low"), "Did you mean 'high'"),
        (("crs", "low", "low"), "compares a level with itself"),
        ("crs", "must be"),
    ],
)
def test_contrasts_that_cannot_be_tested(cohort, contrast, message):
    with pytest.raises(InputError, match=message):
        composition(cohort, parts="t_subset", contrast=contrast)


def test_missing_columns_are_named(cohort):
    with pytest.raises(MissingKeyError, match=r"obs\['subset'\] is missing.*t_subset"):
        composition(cohort, parts="subset", contrast=CONTRAST)
    with pytest.raises(MissingKeyError, match=r"obs\['grade'\] is missing"):
        composition(cohort, parts="t_subset", contrast=("grade", 2, 1))
    with pytest.raises(InputError, match="test is 'wilcox'"):
        composition(cohort, parts="t_subset", contrast=CONTRAST, test="wilcox")


def test_centered_log_ratios_do_not_see_a_change_of_another_part():
    """One part that doubles lowers every other fraction, but no ratio between the others."""
    rng = np.random.default_rng(3)
    shares = {}
    for i in range(16):
        base = rng.normal(0, 0.05, 6)
        weights = np.exp(base)
        weights[0] *= 8 if i < 8 else 1
        counts = np.round(4000 * weights / 6).astype(int)
        shares[f"p{i:02}"] = {f"part{j}": int(n) for j, n in enumerate(counts)}
    group = {p: "high" if i < 8 else "low" for i, p in enumerate(shares)}
    cells = cells_of(shares, group)
    plain = composition(cells, parts="t_subset", contrast=CONTRAST).set_index("population")
    ratio = composition(cells, parts="t_subset", contrast=CONTRAST, test="clr")
    ratio = ratio.set_index("population")
    assert plain.loc["part3", "effect"] < -0.05
    logs = np.log(np.array([list(s.values()) for s in shares.values()]) + 0.5)
    values = logs - logs.mean(axis=1, keepdims=True)
    expected = stats.mannwhitneyu(values[:8, 3], values[8:, 3], method="exact").pvalue
    assert ratio.loc["part3", "p_value"] == pytest.approx(expected)
    assert ratio.loc["part0", "effect"] > 1
    assert ratio.loc["part0", "median_group"] == plain.loc["part0", "median_group"]


def test_propeller_of_two_mirrored_parts_written_down(cohort):
    """With two parts the logits differ in sign only, so the variances are one and the same."""
    cohort.obs["two"] = np.where(cohort.obs["t_subset"] == "Treg", "Treg", "other")
    table = composition(cohort, parts="two", contrast=CONTRAST, test="propeller")
    table = table.set_index("population")
    long = composition_fractions(cohort, parts="two")
    treg = long[long["population"] == "Treg"].set_index("sample_or_patient")
    logit = np.log((treg["n"] + 0.5) / (treg["n_cells"] - treg["n"] + 0.5))
    t = stats.ttest_ind(logit[["a", "b", "c"]], logit[["d", "e", "f", "g"]])
    # the mean log of a chi-square with 5 degrees of freedom, by integration
    mean_log = stats.chi2(5).expect(np.log) - np.log(5)
    statistic = t.statistic * np.exp(mean_log / 2)
    assert table.loc["Treg", "stat"] == pytest.approx(statistic, rel=1e-6)
    assert table.loc["Treg", "p_value"] == pytest.approx(2 * stats.t(10).sf(statistic), rel=1e-5)
    assert table.loc["Treg", "effect"] == pytest.approx(-table.loc["other", "effect"])
    assert table["u"].isna().all()


def test_shrinkage_finds_the_prior_that_variances_were_drawn_from():
    rng = np.random.default_rng(0)
    freedom, prior_freedom, prior = 8, 5.0, 0.3
    truth = prior * prior_freedom / rng.chisquare(prior_freedom, 40_000)
    seen = truth * rng.chisquare(freedom, truth.size) / freedom
    shrunken, more = moderated_variances(seen, freedom)
    assert more == pytest.approx(prior_freedom, rel=0.05)
    expected = (prior_freedom * prior + freedom * seen) / (prior_freedom + freedom)
    assert shrunken == pytest.approx(expected, rel=0.05)


def test_shrunken_variances_and_moderated_t_are_limmas():
    """Answers of limma 3.54.1: squeezeVar(v, df = 7); eBayes(lmFit(logits, ~ group))."""
    variances = np.array([0.12, 0.55, 0.31, 2.4, 0.08, 0.9, 0.04, 0.27])
    shrunken, more = moderated_variances(variances, 7)
    assert more == pytest.approx(2.17359366961242)
    assert shrunken[[0, 3, 6]] == pytest.approx(
        [0.1371575849776345, 1.8769337920781952, 0.0761128057811236]
    )
    counts = np.array(
        [
            [30, 26, 34, 9, 12, 5, 8],
            [60, 60, 60, 60, 60, 60, 60],
            [80, 84, 76, 101, 98, 105, 102],
            [4, 1, 0, 6, 2, 9, 3],
        ],
        dtype=float,
    ).T
    in_group = np.arange(7) < 3
    table = COMPOSITION_TESTS["propeller"].function(counts, counts.sum(axis=1), (in_group, None))
    assert table["stat"].to_numpy() == pytest.approx(
        [6.40467641542755, 1.24445948508982, -9.28805846231965, -1.94916320050066]
    )
    assert table["p_value"].to_numpy() == pytest.approx(
        [0.000841552701802699, 0.262143033178413, 0.000119624822021743, 0.101804691125079]
    )
    assert table.loc[0, ["effect", "effect_low", "effect_high"]].to_numpy(
        dtype=float
    ) == pytest.approx([1.4174348101959, 0.8686504542279, 1.966219166164])


def test_propeller_holds_its_level_without_a_difference():
    rng = np.random.default_rng(1)
    p = []
    for _ in range(150):
        weights = np.exp(rng.normal(0, 0.4, (10, 6)))
        counts = np.array([rng.multinomial(300, w / w.sum()) for w in weights], dtype=float)
        in_group = np.arange(10) < 4
        table = COMPOSITION_TESTS["propeller"].function(
            counts, counts.sum(axis=1), (in_group, None)
        )
        p.extend(table["p_value"])
    share = np.mean(np.array(p) < 0.05)
    assert 0.03 < share < 0.07


def test_parts_that_never_vary_have_a_reason():
    shares = {p: {"Treg": 20, "CD8": 20} for p in "abcdef"}
    cells = cells_of(shares, dict.fromkeys("abc", "high") | dict.fromkeys("def", "low"))
    table = composition(cells, parts="t_subset", contrast=CONTRAST, test="propeller")
    assert table["reason"].str.contains("not estimable by propeller").all()
    exact = composition(cells, parts="t_subset", contrast=CONTRAST)
    assert (exact["p_value"] == 1).all()
