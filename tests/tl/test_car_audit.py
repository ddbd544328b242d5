from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import MissingKeyError
from cartscope._schema import CAR_CALLS
from cartscope.tl._car_interval import share_interval


@pytest.fixture(params=["published", "recommended"])
def audited(cells, request):
    cs.tl.car_status(cells, features=["Yescarta"], rule=request.param)
    table = cs.tl.car_audit(cells)
    return cells, table.set_index("sample"), request.param


def test_one_row_per_sample_of_the_right_kind(audited):
    cells, table, _ = audited
    assert list(table.index) == ["blood", "none", "sorted"]
    pd.testing.assert_frame_equal(table.reset_index(), CAR_CALLS.check(table.reset_index()))
    t = cells.obs[cells.obs["cell_type"] == "T"]
    assert (table["n_t_cells"] == t.groupby("sample").size()).all()
    total = table["n_positive"] + table["n_negative"] + table["n_unknown"]
    assert (total == table["n_t_cells"]).all()
    assert table.loc["sorted", "sorted"] == "true"


def test_true_share_is_the_planted_one(audited):
    cells, table, _ = audited
    planted = cells.obs[cells.obs["cell_type"] == "T"].groupby("sample")["true_car"].mean()
    assert (table["true_share"] - planted).abs().max() < 0.08


def test_sensitivity_is_the_planted_one(audited):
    cells, table, _ = audited
    car = cells.obs[cells.obs["true_car"]]
    detected = (car["car_counts"] > 0).groupby(car["sample"]).mean()
    assert (table["sensitivity"] - detected).abs().max() < 0.08


def test_missed_share_is_the_planted_one(audited):
    cells, table, _ = audited
    negative = cells.obs[(cells.obs["car_status"] == "negative") & (cells.obs["cell_type"] == "T")]
    missed = negative.groupby("sample")["true_car"].mean()
    for sample in ("blood", "none"):
        assert table.loc[sample, "missed_share"] == pytest.approx(missed[sample], abs=0.05)


def test_a_sample_without_car_cells_borrows_its_rate_and_says_so(audited):
    _, table, _ = audited
    assert "borrowed from the other samples" in table.loc["none", "reason"]
    assert table.loc["none", "true_share"] < 0.03


def test_nothing_is_estimated_from_nothing(cells):
    alone = cells[cells.obs["sample"] == "none"].copy()
    cs.tl.car_status(alone, features=["Yescarta"], rule="published")
    row = cs.tl.car_audit(alone).iloc[0]
    assert row["reason"].startswith("not identifiable")
    assert np.isnan(row["sensitivity"])
    assert np.isnan(row["true_share"])


def test_interval_holds_the_planted_share():
    rng = np.random.default_rng(5)
    held = 0
    for share in (0.1, 0.3, 0.6, 0.9):
        for _ in range(3):
            depth = rng.lognormal(8, 0.6, 600)
            mean = depth * 6e-4 * rng.gamma(4, 0.25, 600) * (rng.random(600) < share)
            low, high = share_interval(rng.poisson(mean), depth, ambient=np.full(600, 1e-7))
            assert 0 <= low < high <= 1
            held += low <= share <= high
    assert held >= 10


def test_a_shallow_sample_does_not_tell_its_share():
    rng = np.random.default_rng(0)
    depth = rng.lognormal(6, 0.2, 400)
    y = rng.poisson(depth * 2e-4 * (rng.random(400) < 0.6))
    low, high = share_interval(y, depth, ambient=np.full(400, 1e-7))
    assert high - low > 0.5


def test_names_of_cells_may_repeat(audited):
    cells, table, _ = audited
    cells.obs.index = [f"c{i % 7}" for i in range(cells.n_obs)]
    again = cs.tl.car_audit(cells).set_index("sample")
    pd.testing.assert_frame_equal(again, table)


def test_missing_calls_raise(cells):
    with pytest.raises(MissingKeyError, match=r"'car_counts'.*run tl.car_status first"):
        cs.tl.car_audit(cells)


def test_input_is_left_alone(audited):
    cells, _, _ = audited
    before = cells.obs.copy()
    cs.tl.car_audit(cells)
    pd.testing.assert_frame_equal(cells.obs, before)


def test_both_rules_are_counted_whichever_made_the_calls(cells):
    columns = ["n_published", "n_recommended", "n_gained", "n_lost"]
    tables, calls = {}, {}
    for rule in ("published", "recommended"):
        cs.tl.car_status(cells, features=["Yescarta"], rule=rule)
        tables[rule] = cs.tl.car_audit(cells).set_index("sample")
        calls[rule] = (cells.obs["car_status"] == "positive").to_numpy()
        assert (tables[rule]["rule"] == rule).all()
    ours = tables["recommended"]
    pd.testing.assert_frame_equal(tables["published"][columns], ours[columns])
    for rule, table in tables.items():
        assert (table["n_positive"] == table[f"n_{rule}"]).all()
    t = (cells.obs["cell_type"] == "T").to_numpy()
    moved = {
        "n_gained": t & calls["recommended"] & ~calls["published"],
        "n_lost": t & calls["published"] & ~calls["recommended"],
    }
    for column, at in moved.items():
        expected = pd.Series(at).groupby(cells.obs["sample"].to_numpy()).sum()
        assert (ours[column] == expected[ours.index]).all()
    assert ours["n_gained"].sum() > 0
    np.testing.assert_allclose(ours["published_share"], ours["n_published"] / ours["n_t_cells"])
    np.testing.assert_allclose(ours["recommended_share"], ours["n_recommended"] / ours["n_t_cells"])
