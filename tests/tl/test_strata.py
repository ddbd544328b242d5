"""Every test between patients compares within strata when told to."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cartscope import stats, tl
from cartscope._errors import InputError
from cartscope.tl._composition_tests import COMPOSITION_TESTS

# the comparator has both groups, the new study patients of the reference alone
PATIENTS = [f"p{i:02}" for i in range(14)]
STUDY = np.repeat(["comparator", "new"], [10, 4])
HIGH = np.arange(14) < 6
LEVELS = dict(zip(PATIENTS, np.where(HIGH, "high", "low"), strict=True))
WITHIN = ("crs", "high", "low", {"within": "study"})
STRATA = dict(zip(PATIENTS, STUDY, strict=True))


def _shares(seed=0):
    """Shares without a difference between groups, but with one between studies."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0.3, 0.05, 14) + np.where(STUDY == "new", 0.3, 0.0), 0.05, 0.95)


def _cells(shares):
    parts = []
    for patient, share in zip(PATIENTS, shares, strict=True):
        n = round(100 * share)
        obs = pd.DataFrame({"t_subset": ["Treg"] * n + ["CD8"] * (100 - n)})
        obs["cycling"] = obs["t_subset"] == "Treg"
        parts.append(obs.assign(patient=patient, crs=LEVELS[patient], study=STRATA[patient]))
    obs = pd.concat(parts, ignore_index=True)
    return ad.AnnData(obs=obs.set_index(obs.index.astype(str)))


def _within(values):
    return stats.van_elteren(values[HIGH], values[~HIGH], strata=(STUDY[HIGH], STUDY[~HIGH]))


@pytest.mark.parametrize("tester", ["composition", "cycling"])
def test_shares_of_a_study_without_the_other_group_lend_nothing(tester):
    cells = _cells(_shares())
    options = {"contrast": ("crs", "high", "low")}
    if tester == "composition":
        options["parts"] = "t_subset"
    test = getattr(tl, tester)
    plain = test(cells, **options).iloc[-1]
    row = test(cells, **options | {"contrast": WITHIN}).iloc[-1]
    shares = cells.obs.groupby("patient")["cycling"].mean().to_numpy()
    assert row["p_value"] == pytest.approx(_within(shares).p_value)
    alone = stats.mann_whitney(shares[HIGH], shares[:10][~HIGH[:10]])
    assert row["p_value"] == pytest.approx(alone.p_value)
    assert (row["n_group"], row["n_reference"], row["n_alone"]) == (6, 4, 4)
    assert row["within"] == "study"
    assert (plain["n_reference"], plain["n_alone"], plain["within"]) == (8, 0, "")
    assert plain["p_value"] < row["p_value"]  # the difference between studies
    assert row["median_reference"] == pytest.approx(np.median(shares[6:10]))


def test_given_shares_are_compared_within_strata():
    shares = _shares(1)
    table = pd.DataFrame(
        {
            "sample_or_patient": PATIENTS,
            "population": "Treg",
            "car_status": "negative",
            "fraction": shares,
            "n": 0,
            "n_cells": 100,
        }
    )
    options = {"contrast": ("high", "low")}
    row = tl.compare_fractions(table, LEVELS, **options, strata=STRATA, within="study").iloc[0]
    assert row["p_value"] == pytest.approx(_within(shares).p_value)
    assert row["within"] == "study"
    with pytest.raises(InputError, match=r"strata has nothing for \['p13'\]"):
        tl.compare_fractions(table, LEVELS, **options, strata=dict.fromkeys(PATIENTS[:13], "x"))


def test_scores_of_pairs_are_compared_within_strata():
    scores = _shares(2)
    ligand = scores[:, None, None]
    one = np.ones_like(ligand)
    pairs = pd.DataFrame({"ligand": ["CXCL10"], "receptor": ["CXCR3"]})
    made = tl.LigandReceptorScores(
        tuple(PATIENTS), ("m",), ("m",), ("m",), pairs, ligand, one, one, one, one[:, :, 0],
        "product", 10,
    )  # fmt: skip
    options = {"contrast": ("high", "low"), "strata": STRATA, "within": "study"}
    row = tl.ligand_receptor_test(made, LEVELS, **options).iloc[0]
    found = _within(scores)
    assert row["p_value"] == pytest.approx(found.p_value)
    assert row["effect"] == pytest.approx(2 * found.superiority - 1)
    assert (row["n_alone"], row["within"]) == (4, "study")


def test_gene_set_scores_are_compared_within_strata():
    rng = np.random.default_rng(3)
    counts = rng.poisson(50, (14, 40))
    counts[STUDY == "new", :10] *= 3
    obs = pd.DataFrame({"patient": PATIENTS, "crs": list(LEVELS.values()), "study": STUDY})
    genes = pd.DataFrame(index=[f"G{i}" for i in range(40)])
    pdata = ad.AnnData(
        counts.astype(float), obs=obs.set_index(obs["patient"].rename(None)), var=genes
    )
    sets = {"up": genes.index[:10]}
    options = {"contrast": ("crs", "high", "low")}
    row = tl.gene_set_patient_test(pdata, sets, contrast=WITHIN).iloc[0]
    scores = tl.gene_set_patient_scores(pdata, sets)["up"].to_numpy()
    assert row["p_value"] == pytest.approx(_within(scores).p_value)
    assert row["n_alone"] == 4
    plain = tl.gene_set_patient_test(pdata, sets, **options).iloc[0]
    assert plain["effect"] < row["effect"] - 0.2  # the difference between studies
    with pytest.raises(InputError, match="a pair is compared with itself, not within 'study'"):
        tl.gene_set_patient_test(pdata, sets, contrast=WITHIN, paired=True)


def test_a_moderated_t_has_a_mean_for_each_stratum():
    rng = np.random.default_rng(4)
    totals = np.full(14, 500.0)
    counts = rng.binomial(500, 0.3, (14, 6)).astype(float)
    counts[STUDY == "new"] = rng.binomial(500, 0.6, (4, 6))
    test = COMPOSITION_TESTS["propeller"].function
    within = test(counts, totals, (HIGH, STUDY))
    alone = test(counts[:10], totals[:10], (HIGH[:10], None))
    # the new study's patients help to know the variance, not the difference
    np.testing.assert_allclose(within["effect"], alone["effect"], rtol=1e-9)
    assert (test(counts, totals, (HIGH, None))["effect"] < within["effect"] - 0.3).all()
    # by least squares with both columns, all variances alike
    logits = np.log((counts + 0.5) / (totals[:, None] - counts + 0.5))
    x = np.column_stack([np.ones(14), STUDY == "new", HIGH]).astype(float)
    np.testing.assert_allclose(within["effect"], np.linalg.lstsq(x, logits, rcond=None)[0][2])


def test_a_part_of_patients_with_nobody_to_be_compared_with_leaves_the_family():
    cells = _cells(_shares())
    new = (cells.obs["study"] == "new").to_numpy()
    cells.obs.loc[new & (np.arange(cells.n_obs) % 2 == 0), "t_subset"] = "elsewhere"
    for test in COMPOSITION_TESTS:
        table = tl.composition(cells, parts="t_subset", contrast=WITHIN, test=test)
        row = table.set_index("population").loc["elsewhere"]
        assert row["reason"] == "absent: no cell of this part in any patient compared"
        assert np.isnan(row["p_value"])
        assert (row["n_group"], row["n_reference"], row["n_alone"]) == (6, 4, 4)
        assert (table["family_size"] == 2).all()


def test_pairs_are_candidates_by_the_patients_that_are_compared():
    ligand = np.ones((14, 1, 2)) + np.arange(14)[:, None, None]
    ligand[:10, :, 1] = 0  # only patients of the other study express the second
    pairs = pd.DataFrame({"ligand": ["CXCL10", "CXCL9"], "receptor": ["CXCR3", "CXCR3"]})
    one = np.ones_like(ligand)
    made = tl.LigandReceptorScores(
        tuple(PATIENTS), ("m",), ("m",), ("m",), pairs, ligand, one, one, one, one[:, :, 0],
        "product", 10,
    )  # fmt: skip
    plain = tl.ligand_receptor_test(made, LEVELS, contrast=("high", "low"))
    assert plain["ligand"].tolist() == ["CXCL10"]  # 4 of 14 are fewer than 6
    ligand[4:6, :, 1] = 1
    plain = tl.ligand_receptor_test(made, LEVELS, contrast=("high", "low"))
    assert plain["ligand"].tolist() == ["CXCL10", "CXCL9"]
    within = tl.ligand_receptor_test(made, LEVELS, contrast=("high", "low"), strata=STRATA)
    assert within["ligand"].tolist() == ["CXCL10"]  # 2 of 10 are fewer than 4


def test_strata_that_each_hold_one_group_are_a_reason_not_a_result():
    cells = _cells(_shares())
    cells = cells[(cells.obs["study"] == "new") | (cells.obs["crs"] == "high")].copy()
    shares = tl.composition(cells, parts="t_subset", contrast=WITHIN)
    for table in (shares, tl.cycling(cells, contrast=WITHIN)):
        assert table["p_value"].isna().all()
        assert table["reason"].str.contains("none of the strata of 10 patients holds both").all()


def test_patients_without_a_stratum_are_left_out_by_name():
    cells = _cells(_shares())
    cells.obs["study"] = cells.obs["study"].where(cells.obs["patient"] != "p03")
    table = tl.cycling(cells, contrast=WITHIN)
    assert table.attrs["left_out"] == ["p03"]
    assert table["n_group"].tolist() == [5]
    cells.obs.iloc[0, cells.obs.columns.get_loc("study")] = "another"
    with pytest.raises(InputError, match=r"obs\['study'\] must be one value per patient"):
        tl.cycling(cells, contrast=WITHIN)
    with pytest.raises(InputError, match=r"'patient'} leaves nobody to compare with"):
        tl.cycling(cells, contrast=("crs", "high", "low", {"within": "patient"}))
    with pytest.raises(InputError, match="for several columns paste them into one"):
        tl.cycling(cells, contrast=("crs", "high", "low", {"within": ["study", "batch"]}))
    cells.obs["batch"] = None
    with pytest.raises(InputError, match=r"obs\['batch'\] is missing for every patient"):
        tl.cycling(cells, contrast=("crs", "high", "low", {"within": "batch"}))
    with pytest.raises(InputError, match=r"fourth entry of contrast must be .*but is 'study'"):
        tl.cycling(cells, contrast=("crs", "high", "low", "study"))
