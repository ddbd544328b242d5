from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import INNATE_FRACTIONS
from cartscope.tl._innate_fractions import innate_share, missed_cells, missed_share

RATE, SIZE = 5e-4, 2.5  # CAR counts per count, and their gamma-Poisson size


def ten_cells(**obs) -> AnnData:
    """Two found CAR T cells that cycle, of a chance of one half; eight cells without a count."""
    table = pd.DataFrame({"patient": "a", "cycling": [True] * 4 + [False] * 6})
    table["car_counts"] = [2, 1] + [0] * 8
    table["car_status"] = ["positive"] * 2 + ["negative"] * 8
    table["car_found"] = [1.0] * 2 + [0.0] * 8
    table["car_detection"], table["car_detection_se"] = 0.5, 0.0
    return AnnData(obs=table.assign(**obs).set_index(table.index.astype(str)))


def test_each_found_cell_stands_for_its_own_missed_ones():
    found, chance, none = (
        np.array([1.0, 1.0, 0.5, 0.0]),
        np.array([0.5, 0.8, 0.5, 0.1]),
        np.zeros(4),
    )
    total = missed_cells(found, chance, none)
    assert total.value == pytest.approx(1 + 0.25 + 0.5)
    # (1 - s) / s^2 for each, and the doubt whether the third is one
    assert total.se**2 == pytest.approx(2 + 0.25 / 0.8 + 1.0 + 0.25)
    doubt = missed_cells(found, chance, np.full(4, 0.1))
    assert doubt.se**2 == pytest.approx(total.se**2 + (0.4 + 0.1 / 0.64 + 0.2) ** 2)
    nobody = missed_cells(np.zeros(4), chance, none)
    assert nobody.value == 0
    assert nobody.se > 0


def test_the_share_is_that_of_the_cells_left():
    part = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0.0])
    found, chance = np.array([1.0] * 2 + [0.0] * 8), np.full(10, 0.5)
    share = innate_share(found, chance, np.zeros(10), part=part)
    assert share.value == pytest.approx(0.0)  # 2 of 8 cycle, and both are missed CAR T cells
    # a false call is put back, and stands for nobody
    share = innate_share(np.array([1.0] + [0.0] * 9), chance, np.zeros(10), part=part)
    assert share.value == pytest.approx((9 * 3 / 9 - 1) / (9 - 1))


def test_shares_below_zero_are_clipped_and_said():
    part = np.array([1, 1, 1] + [0] * 7, dtype=float)
    found, chance = np.array([1.0] * 3 + [0.0] * 7), np.full(10, 0.5)
    share = innate_share(found, chance, np.zeros(10), part=part)
    assert (share.value, share.clipped) == (0.0, True)
    assert share.raw == pytest.approx(-3 / 4)
    row = cs.tl.innate_fractions(
        ten_cells(cycling=part.astype(bool), car_found=found), parts="cycling"
    )
    assert row["clipped"].tolist() == [1]
    assert row["fraction"].tolist() == [0.0]


def test_nobody_left_is_no_share():
    share = innate_share(np.ones(4), np.full(4, 0.5), np.zeros(4), part=np.ones(4))
    assert np.isnan(share.value)
    table = cs.tl.innate_fractions(ten_cells(car_detection=0.15), parts="cycling")
    assert table["reason"].tolist() == ["no T cell left without the estimated CAR T cells"]


def test_estimates_are_unbiased_and_their_errors_honest():
    """Innate T cells and CAR T cells of known chances; only who is found is drawn."""
    rng = np.random.default_rng(3)
    n_innate, n_car = 400, 200
    part = np.r_[rng.random(n_innate) < 0.1, rng.random(n_car) < 0.4].astype(float)
    chance = np.r_[np.full(n_innate, 0.7), np.where(part[n_innate:] == 1, 0.9, 0.6)]
    total, share, inside = [], [], 0
    for _ in range(400):
        found = np.r_[np.zeros(n_innate), rng.random(n_car) < chance[n_innate:]].astype(float)
        t = missed_cells(found, chance, np.zeros(len(found)))
        missed = n_car - found.sum()
        total.append(t.value - missed)
        inside += abs(t.value - missed) < 1.96 * t.se
        share.append(innate_share(found, chance, np.zeros(len(found)), part=part).value)
    assert abs(np.mean(total)) < 3 * np.std(total) / 20
    assert 0.91 < inside / 400 < 0.99
    assert np.mean(share) == pytest.approx(part[:n_innate].mean(), abs=0.003)


def cohort(rng, *, n: int = 900) -> AnnData:
    """Ten patients of two grades that differ in expansion alone; cycling cells are deeper."""
    tables = []
    for i in range(10):
        high = i < 5
        t = np.arange(n + 200) < n
        car = t & (rng.random(len(t)) < (0.5 if high else 0.2))
        cycling = t & (rng.random(len(t)) < np.where(car, 0.4, 0.05))
        typical = 2200 * np.where(cycling, 1.6, 1.0) * np.where(car, 1.2, 1.0)
        depth = typical * rng.lognormal(0, 0.35, len(t))
        mean = depth * np.where(car, RATE * rng.gamma(SIZE, 1 / SIZE, len(t)), 1e-6)
        table = pd.DataFrame({"umi": rng.poisson(mean), "depth": depth.round(), "true_car": car})
        table["cycling"], table["cell_type"] = cycling, np.where(t, "T", "B")
        tables.append(table.assign(sample=f"p{i}", patient=f"p{i}"))
    obs = pd.concat(tables, ignore_index=True)
    obs.index = [f"c{i}" for i in range(len(obs))]
    counts = np.column_stack([obs["umi"], obs["depth"] - obs["umi"]])
    adata = AnnData(counts, obs=obs.drop(columns="umi"))
    adata.var_names = ["Yescarta", "other"]
    cs.tl.car_status(adata, features=["Yescarta"], rule="published")
    return adata


def test_cycling_cells_are_deeper_so_missed_car_t_cells_are_not_like_found_ones():
    """The trap: as if missed cells were like found ones, the correction takes out too much."""
    levels = {f"p{i}": "high" if i < 5 else "low" for i in range(10)}
    gaps, p = {"raw": [], "as found": [], "detection": []}, {"as found": [], "detection": []}
    for seed in range(4):
        adata = cohort(np.random.default_rng(seed))
        cs.tl.car_detection(adata)
        t = adata[(adata.obs["cell_type"] == "T").to_numpy()]
        status = t.obs["car_status"].astype(str)
        negative, positive = (
            cs.tl.cycling_fractions(t[(status == s).to_numpy()], population="T")
            for s in ("negative", "positive")
        )
        weighted = cs.tl.innate_fractions(t, parts="cycling", population="T")
        m = weighted.set_index("sample_or_patient")["missed_share"].to_dict()
        plain = cs.tl.correct_missed(negative, positive, m)
        better = cs.tl.correct_missed(negative, positive, m, weighted=weighted)
        innate = t.obs[~t.obs["true_car"]].groupby("patient")["cycling"].mean()
        true_m = t.obs[(status == "negative").to_numpy()].groupby("patient")["true_car"].mean()
        assert abs((pd.Series(m) - true_m).mean()) < 0.04
        for way, table in (("raw", negative), ("as found", plain), ("detection", better)):
            error = table.set_index("sample_or_patient")["fraction"] - innate
            high = error.index.map(levels) == "high"
            gaps[way].append(error[high].mean() - error[~high].mean())
            if way in p:
                row = cs.tl.compare_fractions(table, levels, contrast=("high", "low")).iloc[0]
                p[way].append(row["p_value"])
    gaps = {way: 100 * np.mean(values) for way, values in gaps.items()}  # percentage points
    assert gaps["raw"] > 3
    assert gaps["as found"] < -2
    assert abs(gaps["detection"]) < 1
    assert sum(x < 0.05 for x in p["as found"]) > sum(x < 0.05 for x in p["detection"])


def test_rows_hold_what_was_observed_and_what_is_left():
    table = cs.tl.innate_fractions(ten_cells(), parts="cycling", population="T cells")
    pd.testing.assert_frame_equal(table, INNATE_FRACTIONS.check(table))
    row = table.iloc[0]
    assert (row["population"], row["car_status"]) == ("T cells", "negative")
    assert (row["n"], row["n_cells"], row["n_found"]) == (2, 8, 2)
    assert row["observed"] == pytest.approx(2 / 8)
    assert row["missed_share"] == pytest.approx(2 / 8)
    assert row["missed_low"] == 0
    assert row["missed_high"] > 0.4


def test_parts_that_are_empty_unassigned_or_missing():
    kinds = pd.Categorical(
        ["CD8"] * 4 + ["Treg"] * 4 + ["unassigned", None], ["CD8", "Treg", "CTL"]
    )
    kinds = kinds.add_categories("unassigned")
    adata = ten_cells(t_subset=kinds)
    adata.obs["t_subset"] = pd.Categorical(
        ["CD8"] * 4 + ["Treg"] * 4 + ["unassigned", None], ["CD8", "Treg", "CTL", "unassigned"]
    )
    table = cs.tl.innate_fractions(adata, parts="t_subset").set_index("population")
    assert sorted(table.index) == ["CD8", "CTL", "Treg"]
    assert table["fraction"].to_dict() == pytest.approx({"CD8": 0, "CTL": 0, "Treg": 4 / 6})
    adata.obs["cycling"] = pd.array([True] * 4 + [False] * 5 + [None], dtype="boolean")
    row = cs.tl.innate_fractions(adata, parts="cycling").iloc[0]
    assert row["n_cells"] == 7  # a cell without a call is left out


def test_what_the_rule_does_not_call_negative_is_no_missed_cell_among_the_negative():
    cells = ten_cells().obs
    assert missed_share(cells)[0] == pytest.approx(2 / 8)
    cells["car_probability"] = [1.0] * 2 + [0.9] + [0.1] * 7
    cells.loc["2", "car_status"] = "positive"
    assert missed_share(cells)[0] == pytest.approx((2 - 0.9) / 7)


def test_without_a_chance_there_is_a_reason_and_no_number():
    table = cs.tl.innate_fractions(ten_cells(car_detection=np.nan), parts="cycling")
    assert table["fraction"].isna().all()
    assert table["reason"].tolist() == ["the chance to find a CAR T cell is not identifiable"]
    assert np.isnan(missed_share(ten_cells(car_detection=np.nan).obs)[0])


def test_cells_of_sorted_libraries_are_refused():
    adata = ten_cells(sorted=[True] * 3 + [False] * 7)
    with pytest.raises(InputError, match="3 cells are of CAR-sorted libraries"):
        cs.tl.innate_fractions(adata, parts="cycling")
    cs.tl.innate_fractions(adata, parts="cycling", sorted_key=None)


@pytest.mark.parametrize("column", ["car_detection", "car_status", "cycling", "patient"])
def test_what_is_missing_is_named(column):
    adata = ten_cells()
    del adata.obs[column]
    with pytest.raises(MissingKeyError, match=column):
        cs.tl.innate_fractions(adata, parts="cycling")


def test_input_is_left_alone():
    adata = ten_cells()
    before = adata.obs.copy()
    cs.tl.innate_fractions(adata, parts="cycling")
    pd.testing.assert_frame_equal(adata.obs, before)
