from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cartscope._errors import InputError
from cartscope._schema import LIGREC_INTERACTION
from cartscope.tl import LigandReceptorScores, ligand_receptor_interaction
from cartscope.tl._ligrec_interaction import _interaction

PAIRS = pd.DataFrame({"ligand": ["CXCL10", "RETN"], "receptor": ["CXCR3", "CAP1"]})
NAMED = [("CXCL10", "CXCR3")]
OPTIONS = {"contrast": ("high", "low"), "arms": (True, False), "pairs": NAMED}


def study(values: np.ndarray) -> tuple[LigandReceptorScores, dict[str, tuple[str, bool]]]:
    """The paper's groups: 4 high and 6 low with anakinra, 10 high and 10 low without."""
    names = tuple(f"p{i:02}" for i in range(30))
    levels = {}
    for i, name in enumerate(names):
        levels[name] = ("high" if i < 4 or 10 <= i < 20 else "low", i < 10)
    ligand = np.repeat(values[:, None, None], 2, axis=2)
    one = np.ones_like(ligand)
    cells = np.full((30, 1), 50)
    scores = LigandReceptorScores(
        names, ("m",), ("m",), ("m",), PAIRS, ligand, one, one, one, cells, "product", 10
    )
    return scores, levels


def test_a_difference_in_one_arm_only_is_found(rng):
    values = rng.normal(10, 1, 30)
    values[:4] += 5
    table = ligand_receptor_interaction(*study(values), **OPTIONS, name="7E")
    LIGREC_INTERACTION.check(table)
    row = table.iloc[0]
    assert len(table) == 1
    assert row["p_value"] < 0.01
    assert row["change_first"] == pytest.approx(values[:4].mean() - values[4:10].mean())
    assert row["change_second"] == pytest.approx(values[10:20].mean() - values[20:].mean())
    counts = [f"n_{side}_{arm}" for arm in ("first", "second") for side in ("group", "reference")]
    assert row[counts].tolist() == [4, 6, 10, 10]


def test_the_same_difference_in_both_arms_is_none():
    p = []
    for seed in range(120):
        values = np.random.default_rng(seed).normal(10, 1, 30)
        values[:4] += 2
        values[10:20] += 2
        table = ligand_receptor_interaction(*study(values), **OPTIONS, n_permutations=200)
        p.append(table.loc[0, "p_value"])
    assert np.mean(np.array(p) < 0.05) < 0.12


@pytest.mark.parametrize(("effect", "apart"), [(2, 0), (2, 8), (3, -5)])
def test_what_groups_and_arms_have_in_common_changes_nothing(rng, effect, apart):
    """Scores ranked as they are found an interaction in every third cohort at (2, 8), and lost the
    true one at (2, 2): where arms lie apart, the larger has more ranks to differ by."""
    values = rng.normal(10, 1, 30)
    moved = values + effect * np.isin(np.arange(30), [*range(4), *range(10, 20)])
    moved[:10] += apart
    for there in (0.0, 2.0):  # planted in the first arm
        plus = there * (np.arange(30) < 4)
        one, two = (
            ligand_receptor_interaction(*study(v + plus), **OPTIONS, n_permutations=200).iloc[0]
            for v in (values, moved)
        )
        assert two["t"] == pytest.approx(one["t"])
        assert two["p_value"] == one["p_value"]


def test_groups_that_differ_alike_in_arms_that_lie_apart_hold_the_level():
    values = np.random.default_rng(1).normal(0, 1, (200, 30))
    values[:, [*range(4), *range(10, 20)]] += 2
    values[:, :10] += 8
    sides = np.zeros((2, 30), dtype=bool)
    sides[0, [*range(4), *range(10, 20)]] = sides[1, :10] = True
    rng = np.random.default_rng(2)
    p = [_interaction(v, sides, rng, n_permutations=99)["p_value"] for v in values]
    assert 0.01 < np.mean(np.array(p) <= 0.05) < 0.1


def test_few_patients_are_permuted_in_every_way():
    """Twenty ways in each arm: compared with all orders of residuals, written down."""
    values = np.array([9.0, 7, 8, 2, 6, 3, 4, 5, 1, 10, 12, 11])
    group, first = np.tile(np.repeat([True, False], 3), 2), np.repeat([True, False], 6)
    names = tuple(f"p{i:02}" for i in range(12))
    ligand = np.repeat(values[:, None, None], 2, axis=2)
    one = np.ones_like(ligand)
    scores = LigandReceptorScores(
        names, ("m",), ("m",), ("m",), PAIRS, ligand, one, one, one, one[:, :, 0], "product", 10
    )
    levels = {
        n: ("high" if g else "low", bool(a)) for n, g, a in zip(names, group, first, strict=True)
    }
    row = ligand_receptor_interaction(scores, levels, **OPTIONS).iloc[0]
    additive = np.column_stack([np.ones(12), group, first])
    left = values - additive @ np.linalg.pinv(additive) @ values
    ranks = stats.rankdata(left.round(9))
    fitted = additive @ np.linalg.pinv(additive) @ ranks
    full = np.column_stack([additive, group & first])

    def t_of(y):
        b, rss = np.linalg.lstsq(full, y, rcond=None)[:2]
        return b[-1] / np.sqrt(rss[0] / 8 * np.linalg.inv(full.T @ full)[-1, -1])

    ways = [np.array([*c, *sorted({*range(6)} - {*c})]) for c in combinations(range(6), 3)]
    every = [
        abs(t_of(fitted + (ranks - fitted)[np.concatenate([a, b + 6])])) for a in ways for b in ways
    ]
    assert row["t"] == pytest.approx(t_of(ranks))
    assert row["p_value"] == pytest.approx(np.mean(np.array(every) >= abs(row["t"]) - 1e-9))
    assert row["min_p"] == pytest.approx(np.mean(np.array(every) >= max(every) - 1e-9))
    assert row["test"].endswith("permuted within arms, all: 400")


@pytest.mark.parametrize("high", [[3.0, 0.3, 1.0, 0.3], [1.0, 2.0, 2.0, 1.0]])
def test_equal_scores_within_cells_tie_whatever_the_rounding(high):
    """t is then a coefficient over next to nothing, and both ways round are as far from 0."""
    group, first = np.tile(np.repeat([True, False], 3), 2), np.repeat([True, False], 6)
    values = np.repeat(high, 3)
    rng = np.random.default_rng(0)
    row = _interaction(values, np.stack([group, first]), rng, n_permutations=1000)
    assert row["p_value"] == row["min_p"] == 2 / 400


def test_p_never_lies_below_what_the_permutations_can_give(rng):
    values = rng.normal(0, 1, 30) + np.repeat([40, -40, -40, 40], [4, 6, 10, 10])
    row = ligand_receptor_interaction(*study(values), **OPTIONS, n_permutations=200).iloc[0]
    assert row["p_value"] == row["min_p"] == pytest.approx(1 / 201)
    assert row["test"].endswith("drawn: 200")


def test_the_seed_decides_and_other_pairs_do_not(rng):
    scores, levels = study(rng.normal(10, 1, 30))
    one = ligand_receptor_interaction(scores, levels, **OPTIONS, n_permutations=300)
    two = ligand_receptor_interaction(
        scores, levels, **{**OPTIONS, "pairs": [("RETN", "CAP1"), *NAMED]}, n_permutations=300
    )
    assert one.loc[0, "p_value"] == two.set_index("ligand").loc["CXCL10", "p_value"]


def test_patients_without_a_score_leave_and_empty_cells_have_a_reason(rng):
    values = rng.normal(10, 1, 30)
    values[:3] = np.nan
    row = ligand_receptor_interaction(*study(values), **OPTIONS).iloc[0]
    assert row["n_group_first"] == 1
    assert row["reason"] == "too few cells: fewer than 2 patients in group, first arm"
    assert np.isnan(row["p_value"])
    constant = ligand_receptor_interaction(*study(np.zeros(30)), **OPTIONS).iloc[0]
    assert constant["p_value"] == 1


def test_errors(rng):
    scores, levels = study(rng.normal(10, 1, 30))
    with pytest.raises(InputError, match="none of the pairs"):
        ligand_receptor_interaction(scores, levels, **{**OPTIONS, "pairs": [("A", "B")]})
    with pytest.raises(InputError, match="a level of arms is 'yes'"):
        ligand_receptor_interaction(scores, levels, **{**OPTIONS, "arms": ("yes", False)})
    with pytest.raises(InputError, match="a level of contrast is 'grade 2'"):
        ligand_receptor_interaction(scores, levels, **{**OPTIONS, "contrast": ("grade 2", "low")})
    with pytest.raises(InputError, match="arms compares a level with itself, 'True'"):
        ligand_receptor_interaction(scores, levels, **{**OPTIONS, "arms": (True, "True")})
