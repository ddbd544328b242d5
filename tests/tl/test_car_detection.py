from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cartscope as cs
from cartscope._errors import MissingKeyError
from cartscope.tl._car_detection import WIDEST, detection
from cartscope.tl._car_model import fit_car, log_nb

RATE, SIZE, AMBIENT = 5e-4, 2.5, 2e-6


def library(rng, n=600, share=0.4, *, rate=RATE, sample="a", **obs) -> pd.DataFrame:
    """T cells with and without a CAR, and as many control cells as a third of them."""
    t = np.arange(n + n // 3) < n
    car = t & (rng.random(len(t)) < share)
    depth = rng.lognormal(np.log(3000), 0.4, len(t)) * np.where(car, 1.2, 1.0)
    mean = depth * np.where(car, rate * rng.gamma(SIZE, 1 / SIZE, len(t)), AMBIENT)
    table = pd.DataFrame({"umi": rng.poisson(mean), "depth": depth.round(), "true_car": car})
    table["cell_type"] = np.where(t, "T", "B")
    return table.assign(sample=sample, patient=sample, **obs)


def cells_of(*tables: pd.DataFrame, **how) -> AnnData:
    obs = pd.concat(tables, ignore_index=True)
    obs.index = [f"c{i}" for i in range(len(obs))]
    counts = np.column_stack([obs["umi"], obs["depth"] - obs["umi"]])
    adata = AnnData(counts, obs=obs.drop(columns="umi"))
    adata.var_names = ["Yescarta", "other"]
    cs.tl.car_status(adata, features=["Yescarta"], **{"rule": "published", **how})
    return adata


def true_chance(depth: np.ndarray) -> np.ndarray:
    return 1 - np.exp(log_nb(np.zeros(len(depth)), depth * RATE, SIZE))


def test_the_chance_is_the_planted_one_at_every_depth(rng):
    adata = cells_of(*[library(rng, sample=name) for name in "abcdef"])
    cs.tl.car_detection(adata)
    t = adata.obs[adata.obs["cell_type"] == "T"]
    error = t["car_detection"] - true_chance(t["depth"].to_numpy())
    assert error.abs().max() < 0.08
    assert abs(error.mean()) < 0.04
    deepest = t["depth"] > t["depth"].quantile(0.9)
    assert t["car_detection"][deepest].mean() > t["car_detection"].mean() + 0.05


def test_its_standard_error_is_the_scatter_between_repetitions():
    chance, error = [], []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        table = library(rng, n=500)
        table.loc[0, "depth"] = 3000.0
        t = (table["cell_type"] == "T").to_numpy()
        codes = np.zeros(len(t), dtype=int)
        umi, depth = table["umi"].to_numpy(), table["depth"].to_numpy()
        fit = fit_car(umi, depth, codes, candidate=t, control=~t)
        told = detection(fit, umi, depth, samples=codes, candidate=t)
        chance.append(told.chance[0])
        error.append(told.error[0])
    # the priors on rate and size hold the estimate a little
    assert 0.6 < np.std(chance) / np.mean(error) < 1.4
    assert (
        np.mean(np.abs(np.array(chance) - true_chance(np.array([3000.0]))) < 2 * np.mean(error))
        > 0.8
    )


def test_a_cell_with_a_count_is_a_car_t_cell_unless_the_soup_says_so(rng):
    adata = cells_of(library(rng, n=1500))
    cs.tl.car_detection(adata)
    t = adata.obs[adata.obs["cell_type"] == "T"]
    assert (t["car_found"][t["car_counts"] == 0] == 0).all()
    assert t["car_found"][t["car_counts"] > 1].min() > 0.95
    false = (~t["true_car"] & (t["car_counts"] > 0)).sum()
    told = (1 - t["car_found"][t["car_counts"] > 0]).sum()
    assert told == pytest.approx(false, abs=12)


def test_it_is_the_same_after_either_rule_and_leaves_the_calls_alone(rng):
    table = library(rng)
    one, other = cells_of(table), cells_of(table, rule="recommended")
    status = one.obs["car_status"].copy()
    for adata in (one, other):
        cs.tl.car_detection(adata)
    for column in ("car_found", "car_detection", "car_detection_se"):
        pd.testing.assert_series_equal(one.obs[column], other.obs[column])
    pd.testing.assert_series_equal(one.obs["car_status"], status)
    copied = cs.tl.car_detection(cells_of(table), copy=True)
    assert copied.obs["car_detection"].equals(one.obs["car_detection"])


def test_too_few_cells_with_a_count_are_not_identifiable(rng):
    adata = cells_of(library(rng, n=40, share=0.3))
    cs.tl.car_detection(adata)
    note = adata.uns["cartscope"]["car_detection"]
    assert adata.obs["car_detection"].isna().all()
    assert note["reason"][0].startswith("not identifiable: ")
    assert note["reason"][0].endswith("T cells with a CAR count in all")


def test_hardly_any_detection_is_not_identifiable_and_says_how_vague(rng):
    adata = cells_of(library(rng, n=700, share=0.4, rate=2e-5), library(rng, sample="b"))
    cs.tl.car_detection(adata, settings={"fit_key": "sample"})
    by_sample = adata.obs.groupby("sample")["car_detection"]
    assert by_sample.apply(lambda c: c.isna().all()).to_dict() == {"a": True, "b": False}
    reason = adata.uns["cartscope"]["car_detection"]["reason"]
    assert "to be missed are known within a factor of" in reason[0] or "T cells with" in reason[0]
    assert reason[1] == ""
    assert np.exp(1.96 * WIDEST) == pytest.approx(4, rel=0.05)  # as the documentation has it


def test_before_the_infusion_nothing_is_missed(rng):
    day7 = library(rng, timepoint="day7")
    before = library(rng, sample="b", share=0.0, timepoint="baseline")
    settings = {"none_where": {"timepoint": ["baseline"]}}
    adata = cells_of(day7, before, settings=settings)
    cs.tl.car_detection(adata, settings=settings)
    early = adata.obs[adata.obs["timepoint"] == "baseline"]
    assert (early["car_detection"] == 1).all()
    assert (early[["car_found", "car_detection_se"]] == 0).all(axis=None)


def test_a_library_without_the_car_has_no_chance(rng):
    table = pd.concat([library(rng), library(rng, sample="b", share=0.0)], ignore_index=True)
    table.loc[table["sample"] == "b", "umi"] = 0
    adata = cells_of(table)
    adata.obs.loc[adata.obs["sample"] == "b", "car_status"] = "unknown"
    cs.tl.car_detection(adata)
    assert adata.obs.loc[adata.obs["sample"] == "b", "car_detection"].isna().all()
    assert adata.obs.loc[adata.obs["sample"] == "a", "car_detection"].notna().all()


def test_what_is_missing_is_named(rng):
    adata = cells_of(library(rng, n=30))
    del adata.obs["car_counts"]
    with pytest.raises(MissingKeyError, match="car_counts"):
        cs.tl.car_detection(adata)


def test_the_audit_has_the_missed_share_with_its_interval():
    inside, errors = 0, []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        tables = [library(rng), library(rng, sample="b", sorted="true", share=0.95)]
        adata = cells_of(*[t.assign(sorted=t.get("sorted", "false")) for t in tables])
        assert cs.tl.car_audit(adata)["missed_low"].isna().all()
        cs.tl.car_detection(adata)
        table = cs.tl.car_audit(adata).set_index("sample")
        t = adata.obs[(adata.obs["car_status"] == "negative") & (adata.obs["cell_type"] == "T")]
        true = t["true_car"][t["sample"] == "a"].mean()
        inside += table.loc["a", "missed_low"] < true < table.loc["a", "missed_high"]
        errors.append(table.loc["a", "missed_share"] - true)
        # hardly any cell of a sorted library is CAR-
        assert np.isnan(table.loc["b", "missed_low"])
    assert inside >= 4
    assert abs(np.mean(errors)) < 0.04


@pytest.mark.reference
def test_on_real_blood_the_missed_share_follows_the_planted_one(carpall):
    """Cells of a CAR-sorted library, thinned, among the same patient's unsorted blood."""
    counts = carpall.layers["counts"].tocsc()
    car = counts[:, carpall.var_names.get_loc("CAT_scFv")].toarray().ravel().astype(int)
    depth = np.asarray(counts.sum(axis=1)).ravel().astype(int)
    obs, rng, gaps = carpall.obs, np.random.default_rng(1), []
    blood = np.flatnonzero((obs["sample"] == "CAR-T10310325").to_numpy() & (car == 0))
    donors = np.flatnonzero((obs["sample"] == "CAR-T10310323").to_numpy() & obs["author"])
    for thin in (0.2, 0.4, 0.8):
        umi = rng.binomial(car[donors], thin)
        left = umi + rng.binomial(depth[donors] - car[donors], thin)
        table = pd.DataFrame({"umi": np.r_[np.zeros(len(blood), int), umi]})
        table["depth"] = np.r_[depth[blood], left]
        table["true_car"] = np.repeat([False, True], [len(blood), len(donors)])
        table["cell_type"] = obs["cell_type"].astype(str).to_numpy()[np.r_[blood, donors]]
        adata = cells_of(table[table["depth"] >= 300].assign(sample="mixture"))
        cs.tl.car_detection(adata)
        row = cs.tl.car_audit(adata).iloc[0]
        t = adata.obs[(adata.obs["cell_type"] == "T") & (adata.obs["car_status"] == "negative")]
        assert row["missed_low"] < t["true_car"].mean() < row["missed_high"]
        gaps.append(row["missed_share"] - t["true_car"].mean())
    assert np.mean(np.abs(gaps)) < 0.12
