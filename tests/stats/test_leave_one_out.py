from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from cartscope import stats
from cartscope._errors import InputError


def shift(values, groups):
    return values[groups == "b"].mean(axis=0) - values[groups == "a"].mean(axis=0)


def test_finds_the_patient_who_carries_the_result():
    values, groups = np.array([0.0, 1.0, 0.0, 9.0, 0.0, 0.5]), np.array(list("aaabbb"))
    result = stats.leave_one_out(values, groups, shift)
    assert result.most_influential == 3
    assert not result.sign_kept
    assert result.without[3] == pytest.approx(0.25 - 1 / 3)
    np.testing.assert_allclose(result.influence, result.full - result.without)


def test_sign_is_kept_by_a_result_that_all_carry():
    result = stats.leave_one_out([0.0, 1.0, 0.5, 5.0, 6.0, 7.0], np.array(list("aaabbb")), shift)
    assert result.sign_kept is True


def test_all_rows_of_a_patient_leave_together():
    values, groups = np.arange(8.0) ** 2, np.array(list("abababab"))
    patients = np.array(["p2", "p2", "p1", "p1", "p3", "p3", "p1", "p1"])
    result = stats.leave_one_out(values, groups, shift, patients=patients)
    assert result.patients.tolist() == ["p2", "p1", "p3"]
    for name, without in zip(result.patients, result.without, strict=True):
        keep = patients != name
        assert without == shift(values[keep], groups[keep])


def test_emptied_group_is_nan_and_counts_for_nothing():
    asked = []

    def watch(v, g):
        asked.append(len(v))
        return shift(v, g)

    result = stats.leave_one_out([1.0, 2.0, 9.0], np.array(list("aab")), watch)
    assert asked == [3, 2, 2]
    assert np.isnan(result.without[2])
    assert result.sign_kept
    assert result.most_influential == 0


def test_many_features_at_once(rng):
    values, groups = rng.normal(size=(7, 4)), np.array(list("aaabbbb"))
    together = stats.leave_one_out(values, groups, shift)
    assert together.without.shape == (7, 4)
    for i in range(4):
        alone = stats.leave_one_out(values[:, i], groups, shift)
        np.testing.assert_allclose(alone.without, together.without[:, i])
        assert alone.sign_kept == together.sign_kept[i]
        assert alone.most_influential == together.most_influential[i]


def test_covariate_of_floats_cannot_run_empty(rng):
    values, day = rng.normal(size=8), np.arange(8.0)
    result = stats.leave_one_out(values, day, lambda v, g: spearmanr(v, g).statistic)
    assert np.isfinite(result.without).all()


def test_input_is_left_alone(rng):
    values, groups = rng.normal(size=5), np.array(list("aabba"))
    before = values.copy()
    stats.leave_one_out(values, groups, shift)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(
    ("values", "groups", "options", "message"),
    [
        ([1.0, 2.0], list("abc"), {}, r"groups has shape \(3,\), values \(2,\)"),
        (1.0, list("a"), {}, "give one label per row"),
        ([1.0, 2.0], list("ab"), {"patients": ["p"]}, "give one name per row"),
        ([1.0, 2.0], list("ab"), {"patients": ["p", "p"]}, "there is 1 patient"),
    ],
)
def test_refusals(values, groups, options, message):
    with pytest.raises(InputError, match=message):
        stats.leave_one_out(values, groups, shift, **options)
