from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import CYCLING, FRACTIONS
from cartscope.tl import cycling, cycling_fractions

CONTRAST = ("toxicity", "high", "low")


def cells_of(shares: dict[str, float], n: int = 100, **more) -> ad.AnnData:
    """Cells without X: patients a-e are high; shares of them cycle."""
    parts = []
    for patient, share in shares.items():
        on = np.arange(n) < round(share * n)
        parts.append(pd.DataFrame({"patient": patient, "cycling": on}))
    obs = pd.concat(parts, ignore_index=True).assign(**more)
    obs["toxicity"] = np.where(obs["patient"].isin(list("abcde")), "high", "low")
    obs.index = [f"cell{i}" for i in range(len(obs))]
    return ad.AnnData(obs=obs)


HIGH = {"a": 0.22, "b": 0.30, "c": 0.18, "d": 0.25, "e": 0.15}
LOW = {"f": 0.06, "g": 0.04, "h": 0.08, "i": 0.05, "j": 0.07}


def test_fig_6i_floor_of_five_against_five():
    cells = cells_of(HIGH | LOW, car_status="negative")
    before = cells.obs.copy()
    table = cycling(cells, contrast=CONTRAST, population="car_neg_t", name="6I")
    CYCLING.check(table)
    pd.testing.assert_frame_equal(cells.obs, before)
    row = table.iloc[0]
    assert row["p_value"] == pytest.approx(2 / 252)
    assert row["min_p"] == pytest.approx(2 / 252)
    assert (row["median_group"], row["median_reference"]) == (0.22, 0.06)
    assert (row["population"], row["car_status"], row["contrast"]) == (
        "car_neg_t",
        "negative",
        "6I",
    )
    assert row["shift_low"] < row["shift"] < row["shift_high"]


def test_patients_below_min_cells_are_left_out_of_that_population_only():
    cells = cells_of(HIGH | LOW)
    cells.obs["car_status"] = np.where(np.arange(cells.n_obs) % 100 < 60, "negative", "positive")
    table = cycling(cells, contrast=CONTRAST, groupby=["car_status"]).set_index("car_status")
    assert table.loc["negative", ["n_group", "n_reference"]].tolist() == [5, 5]
    assert table.loc["positive", ["n_group", "n_reference"]].tolist() == [0, 0]
    assert (
        "no patient of the group and the reference has 50 cells" in table.loc["positive", "reason"]
    )
    assert (table["family_size"] == 1).all()


def test_populations_are_one_family():
    cells = cells_of(HIGH | LOW, n=200)
    cells.obs["t_lineage"] = np.where(np.arange(cells.n_obs) % 2 == 0, "CD4", "CD8")
    table = cycling(cells, contrast=CONTRAST, groupby="t_lineage")
    assert table["population"].tolist() == ["CD4", "CD8"]
    assert (table["family_size"] == 2).all()
    assert (table["fdr"] >= table["p_value"]).all()


def test_cells_without_a_call_are_left_out():
    cells = cells_of({"a": 0.5, "f": 0.5}, n=100)
    values = cells.obs["cycling"].astype(object)
    values[np.arange(cells.n_obs) % 100 >= 80] = np.nan
    cells.obs["cycling"] = values
    long = cycling_fractions(cells)
    FRACTIONS.check(long)
    assert long["n_cells"].tolist() == [80, 80]
    assert long["fraction"].tolist() == [50 / 80, 50 / 80]


def test_missed_car_t_cells_alone_make_car_negative_cells_differ():
    """The arithmetic of methods.md: 5.8% against 11.3% with no difference at all."""
    share = {"high": 0.18, "low": 0.024}
    seen = {g: m * 0.40 + (1 - m) * 0.05 for g, m in share.items()}
    assert (round(seen["low"], 3), round(seen["high"], 3)) == (0.058, 0.113)
    rng = np.random.default_rng(0)
    patients = {p: seen["high"] + rng.normal(0, 0.004) for p in "abcde"}
    patients |= {p: seen["low"] + rng.normal(0, 0.004) for p in "fghij"}
    cells = cells_of(patients, n=5000, car_status="negative")
    missed = pd.DataFrame(
        {
            "missed_share": [share["high"]] * 5 + [share["low"]] * 5,
            "positive_fraction": 0.40,
        },
        index=list("abcdefghij"),
    )
    plain = cycling(cells, contrast=CONTRAST).iloc[0]
    corrected = cycling(cells, contrast=CONTRAST, missed=missed).iloc[0]
    assert plain["p_value"] == pytest.approx(2 / 252)
    assert corrected["p_value"] > 0.05
    assert corrected["median_group"] == pytest.approx(0.05, abs=0.01)
    assert corrected["median_reference"] == pytest.approx(0.05, abs=0.01)
    assert corrected["corrected"]
    assert not plain["corrected"]


def test_a_correction_never_goes_below_zero_and_drops_patients_without_an_estimate():
    cells = cells_of({"a": 0.1, "b": 0.2, "f": 0.0, "g": 0.1}, car_status="negative")
    missed = pd.DataFrame(
        {"missed_share": [0.5, np.nan, 0.2, 0.0], "positive_fraction": [0.4, 0.4, 0.4, 0.4]},
        index=list("abfg"),
    )
    row = cycling(cells, contrast=CONTRAST, missed=missed).iloc[0]
    assert (row["n_group"], row["n_reference"]) == (1, 2)
    assert row["median_group"] == 0
    assert row["median_reference"] == pytest.approx(0.05)


def test_errors_name_what_is_wrong():
    cells = cells_of(HIGH | LOW, car_status="positive")
    missed = pd.DataFrame({"missed_share": [0.1], "positive_fraction": [0.3]}, index=["a"])
    with pytest.raises(InputError, match=r"of CAR status \['positive'\]"):
        cycling(cells, contrast=CONTRAST, missed=missed)
    negative = cells_of(HIGH | LOW, car_status="negative")
    with pytest.raises(InputError, match="missed_share below 1"):
        cycling(negative, contrast=CONTRAST, missed=missed.assign(missed_share=1.0))
    with pytest.raises(InputError, match="missing column"):
        cycling(negative, contrast=CONTRAST, missed=missed[["missed_share"]])
    del cells.obs["cycling"]
    with pytest.raises(MissingKeyError, match=r"run cartscope\.tl\.cell_cycle first"):
        cycling(cells, contrast=CONTRAST)
