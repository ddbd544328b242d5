from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope._errors import InputError, SchemaError
from cartscope._schema import COMPOSITION
from cartscope.tl import compare_fractions, correct_missed

PATIENTS = [f"p{i}" for i in range(10)]
LEVELS = {p: 2 if i < 5 else 1 for i, p in enumerate(PATIENTS)}


def shares(status: str, fraction: dict[str, dict[str, float]], n_cells: int = 400) -> pd.DataFrame:
    rows = [
        {
            "sample_or_patient": patient,
            "population": part,
            "car_status": status,
            "fraction": value,
            "n": round(value * n_cells),
            "n_cells": n_cells,
        }
        for patient, parts in fraction.items()
        for part, value in parts.items()
    ]
    return pd.DataFrame(rows)


def contaminated(rng) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """No difference in innate T cells; expansion, and so contamination, differs by grade."""
    innate = {"CD8": 0.3, "Treg": 0.1}
    found = {"CD8": 0.8, "Treg": 0.01}
    missed = {p: 0.18 if i < 5 else 0.024 for i, p in enumerate(PATIENTS)}
    mixed = {
        p: {
            part: m * found[part] + (1 - m) * (innate[part] + rng.normal(0, 0.004))
            for part in innate
        }
        for p, m in missed.items()
    }
    return shares("negative", mixed), shares("positive", dict.fromkeys(PATIENTS, found)), missed


def test_contamination_makes_a_difference_that_the_correction_takes_away(rng):
    negative, positive, missed = contaminated(rng)
    before = negative.copy()
    plain = compare_fractions(negative, LEVELS, contrast=(2, 1)).set_index("population")
    corrected = correct_missed(negative, positive, missed)
    table = compare_fractions(corrected, LEVELS, contrast=("2", 1.0), name="x")
    pd.testing.assert_frame_equal(negative, before)
    COMPOSITION.check(table)
    assert plain.loc["CD8", "p_value"] == pytest.approx(2 / 252)
    assert plain.loc["CD8", "shift"] > 0.05
    table = table.set_index("population")
    assert (table["p_value"] > 0.05).all()
    assert table["shift"].abs().max() < 0.01
    assert corrected["observed"].tolist() == negative["fraction"].tolist()


def test_the_corrected_test_holds_its_level_when_expansion_differs():
    p_plain, p_corrected = [], []
    for seed in range(80):
        negative, positive, missed = contaminated(np.random.default_rng(seed))
        p_plain.append(compare_fractions(negative, LEVELS, contrast=(2, 1)).loc[0, "p_value"])
        table = compare_fractions(
            correct_missed(negative, positive, missed), LEVELS, contrast=(2, 1)
        )
        p_corrected.append(table.loc[0, "p_value"])
    assert np.mean(np.array(p_plain) < 0.05) == 1
    assert np.mean(np.array(p_corrected) < 0.05) < 0.08  # attainable: 0.032


def test_patients_without_an_estimate_drop_out_but_not_those_with_nothing_to_correct(rng):
    negative, positive, missed = contaminated(rng)
    missed["p0"] = np.nan
    del missed["p1"]
    missed["p9"] = 0.0
    positive = positive[~positive["sample_or_patient"].isin(["p2", "p9"])]
    table = correct_missed(negative, positive, missed).set_index(
        ["sample_or_patient", "population"]
    )
    gone = table["fraction"].isna().groupby(level=0).all()
    assert set(gone[gone].index) == {"p0", "p1", "p2"}
    assert table.loc[("p9", "CD8"), "fraction"] == table.loc[("p9", "CD8"), "observed"]
    rows = compare_fractions(table.reset_index(), LEVELS, contrast=(2, 1))
    assert rows[["n_group", "n_reference"]].to_numpy().tolist() == [[2, 5], [2, 5]]


def test_a_part_that_car_positive_cells_lack_is_zero_there(rng):
    negative, positive, missed = contaminated(rng)
    positive = positive[positive["population"] == "CD8"]
    table = correct_missed(negative, positive, missed)
    treg = table[table["population"] == "Treg"]
    expected = treg["observed"] / (1 - treg["missed_share"])
    assert treg["fraction"].to_numpy() == pytest.approx(expected.to_numpy())


def test_few_cells_and_errors(rng):
    negative, positive, missed = contaminated(rng)
    few = compare_fractions(negative, LEVELS, contrast=(2, 1), min_cells=500)
    assert few["reason"].str.startswith("too few cells").all()
    assert few["p_value"].isna().all()
    with pytest.raises(InputError, match="missed_share of 'p3' is 1"):
        correct_missed(negative, positive, {**missed, "p3": 1.0})
    with pytest.raises(InputError, match=r"negative holds cells of CAR status \['positive'\]"):
        correct_missed(positive, positive, missed)
    with pytest.raises(InputError, match="'p0' has two rows of 'CD8'"):
        correct_missed(negative, pd.concat([positive, positive]), missed)
    with pytest.raises(InputError, match="a level of contrast is '3'"):
        compare_fractions(negative, LEVELS, contrast=(3, 1))
    with pytest.raises(InputError, match="contrast compares a level with itself, '1'"):
        compare_fractions(negative, LEVELS, contrast=(1, 1.0))
    with pytest.raises(InputError, match="'p0' has two rows of 'CD8'"):
        compare_fractions(pd.concat([negative, negative]), LEVELS, contrast=(2, 1))
    with pytest.raises(SchemaError, match="missing columns"):
        compare_fractions(negative.drop(columns="n"), LEVELS, contrast=(2, 1))


def weighted_of(negative: pd.DataFrame, **values) -> pd.DataFrame:
    given = {"se": 0.02, "missed_share": 0.1, "missed_low": 0.05, "missed_high": 0.2}
    return negative.assign(
        **{"observed": negative["fraction"], "n_found": 80, "clipped": 0, "reason": ""}
        | given
        | values
    )


def test_cell_by_cell_comes_first_and_the_simple_formula_is_named(rng):
    negative, positive, missed = contaminated(rng)
    mine = negative["sample_or_patient"]
    fraction = np.where(mine == "p0", np.nan, 0.05)
    reason = np.where(mine == "p0", "not identifiable", "")
    weighted = weighted_of(negative, fraction=fraction, reason=reason)
    weighted = weighted[weighted["sample_or_patient"] != "p1"]
    plain = correct_missed(negative, positive, missed)
    table = correct_missed(negative, positive, missed, weighted=weighted)
    told = table["method"] == "detection"
    assert set(table["sample_or_patient"][~told]) == {"p0", "p1"}
    assert set(plain["method"]) == {"as found"}
    assert (table["fraction"][told] == 0.05).all()
    assert (table["se"][told] == 0.02).all()
    assert (table["missed_high"][told] == 0.2).all()
    pd.testing.assert_series_equal(table["fraction"][~told], plain["fraction"][~told])
    assert table["se"][~told].isna().all()
    assert set(table["method"][~told]) == {"as found"}
    reasons = table.drop_duplicates("sample_or_patient").set_index("sample_or_patient")["reason"]
    assert reasons["p0"].startswith("not identifiable")
    assert reasons["p1"].startswith("no cell with a weight")
    assert reasons["p2"] == ""


def test_what_cannot_be_corrected_at_all_says_why(rng):
    negative, positive, missed = contaminated(rng)
    del missed["p3"]
    table = correct_missed(negative, positive, missed)
    lost = table[table["sample_or_patient"] == "p3"]
    assert set(lost["method"]) == {""}
    assert set(lost["reason"]) == {"no estimate of the missed share, or no CAR+ cell"}


def test_clipped_fractions_are_counted(rng):
    negative, positive, missed = contaminated(rng)
    missed["p0"] = 0.6
    table = correct_missed(negative, positive, missed)
    assert table["fraction"].between(0, 1).all()
    clipped = table[table["clipped"] == 1]
    assert clipped[["sample_or_patient", "population"]].to_numpy().tolist() == [["p0", "CD8"]]


def test_weights_of_another_table_are_refused(rng):
    negative, positive, missed = contaminated(rng)
    with pytest.raises(SchemaError, match="innate fractions: missing columns"):
        correct_missed(negative, positive, missed, weighted=negative)
