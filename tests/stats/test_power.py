from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtr

from cartscope import stats
from cartscope._errors import InputError
from cartscope.stats import _power


def simulated(rng, n_x, n_y, effect, *, alpha=0.05, alternative="two-sided", tests=40_000):
    x, y = rng.normal(effect, 1, (n_x, tests)), rng.normal(0, 1, (n_y, tests))
    p = stats.mann_whitney(x, y, alternative=alternative).p_value
    return (p <= alpha * (1 + 1e-9)).mean(), math.sqrt(0.25 / tests)


def test_4_v_6_at_alpha_05_has_power_022_at_d_1_and_068_at_d_2():
    # the second was measured as 0.68; integration and a million simulated tests give 0.691
    assert stats.power(4, 6, effect=1) == pytest.approx(0.22, abs=0.005)
    assert stats.power(4, 6, effect=2) == pytest.approx(0.68, abs=0.015)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize(("n_x", "n_y"), [(4, 6), (10, 6), (5, 5), (2, 9)])
def test_agrees_with_simulation(rng, n_x, n_y, alternative):
    for effect in (-1.0, 0.6, 1.5):
        want, se = simulated(rng, n_x, n_y, effect, alternative=alternative)
        got = stats.power(n_x, n_y, effect=effect, alternative=alternative)
        assert got == pytest.approx(want, abs=4.5 * se)


@pytest.mark.parametrize(("n_x", "n_y"), [(1, 1), (4, 6), (10, 6), (12, 12), (3, 40)])
def test_without_effect_it_is_the_size_of_the_test(n_x, n_y):
    for alpha in (0.01, 0.05, 0.3):
        critical = _power._critical(n_x, n_y, alpha=alpha, alternative="greater")
        untied = np.arange(n_x + n_y)
        below = stats.mann_whitney(untied[:n_x], untied[n_x:], alternative="less").p_value
        size = stats.power(n_x, n_y, effect=0, alpha=alpha, alternative="greater")
        assert size <= alpha + 1e-6
        if critical == 0:
            assert size == pytest.approx(below, rel=1e-8)
        attained = _power.u_cdf(n_x, n_y)[critical] if critical >= 0 else 0.0
        assert size == pytest.approx(attained, rel=1e-8)


def test_two_values_by_hand():
    # one v one, one-sided at alpha 0.5: rejects where x > y
    want = 0.5 * (1 + math.erf(0.7 / math.sqrt(2) / math.sqrt(2)))
    got = stats.power(1, 1, effect=0.7, alpha=0.5, alternative="greater")
    assert got == pytest.approx(want, abs=1e-6)


def test_p_equal_to_alpha_rejects():
    # 3 v 3 one-sided reaches exactly 1/20
    assert stats.power(3, 3, effect=3, alpha=0.05, alternative="greater") > 0.8
    assert stats.power(3, 3, effect=3, alpha=0.0499, alternative="greater") == 0.0


def test_symmetries_and_shape():
    effects = np.array([[-1.5, 0.0], [0.5, 1.5]])
    power = stats.power(4, 7, effect=effects)
    assert power.shape == (2, 2)
    assert power[0, 0] == pytest.approx(power[1, 1], abs=1e-6)
    assert power[1, 1] == pytest.approx(stats.power(7, 4, effect=1.5), abs=1e-6)
    one_sided = stats.power(4, 7, effect=0.8, alternative="greater")
    assert one_sided == pytest.approx(stats.power(4, 7, effect=-0.8, alternative="less"), abs=1e-6)
    assert isinstance(stats.power(4, 7, effect=1), float)


def test_power_grows_with_effect_and_patients():
    curve = stats.power(5, 6, effect=np.arange(0, 6, 0.5))
    assert (np.diff(curve) > 0).all()
    assert curve[-1] > 0.999
    assert stats.power(6, 10, effect=1) > stats.power(6, 4, effect=1)


def test_normal_approximation_meets_integration_where_they_change_over():
    critical = _power._critical(30, 28, alpha=0.05, alternative="two-sided")
    for effect in (-0.5, -1.0):
        swept = _power._swept_tail(30, 28, critical=critical, effect=effect)
        rough = _power._normal_tail(30, 28, critical=critical, effect=effect)
        assert rough == pytest.approx(swept, abs=0.01)


def test_normal_approximation_has_the_moments_of_u():
    for n_x, n_y, critical in ((5, 7, 9), (40, 35, 500)):
        pairs = n_x * n_y
        z = (critical + 0.5 - pairs / 2) / math.sqrt(pairs * (n_x + n_y + 1) / 12)
        without = _power._normal_tail(n_x, n_y, critical=critical, effect=0.0)
        assert without == pytest.approx(ndtr(z), rel=1e-10)


def test_effect_for_hardly_more_than_alpha_is_found_or_nothing():
    assert 0 <= stats.detectable_effect(45, 45, target=0.0501) < 0.2


def test_large_groups_agree_with_simulation(rng):
    want, se = simulated(rng, 40, 35, 0.6, tests=10_000)
    assert stats.power(40, 35, effect=0.6) == pytest.approx(want, abs=4.5 * se + 0.005)
    assert stats.power(40, 40, effect=30) == pytest.approx(1.0)
    # so many that the critical value is normal too
    assert stats.power(400, 500, effect=0) == pytest.approx(0.05, abs=0.001)


def test_detectable_effect_inverts_power():
    for n_x, n_y, target in (
        (4, 6, 0.8),
        (10, 6, 0.9),
        (5, 4, 0.5),
        (40, 30, 0.8),
        (12, 12, 0.0505),
    ):
        effect = stats.detectable_effect(n_x, n_y, target=target)
        assert stats.power(n_x, n_y, effect=effect) == pytest.approx(target, abs=1e-3)
        assert effect == pytest.approx(stats.detectable_effect(n_y, n_x, target=target), abs=1e-3)
    one_sided = stats.detectable_effect(4, 6, alternative="less")
    assert one_sided == stats.detectable_effect(4, 6, alternative="greater")
    assert one_sided < stats.detectable_effect(4, 6)


def test_no_effect_is_detectable_below_the_floor():
    assert stats.smallest_p(4, 3) > 0.05
    assert stats.detectable_effect(4, 3) == math.inf
    assert stats.power(4, 3, effect=10) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.power(0, 4, effect=1), "n_x is 0"),
        (lambda: stats.power(4, True, effect=1), "n_y is True"),
        (lambda: stats.power(4, 4, effect=np.nan), "effect is nan"),
        (lambda: stats.power(4, 4, effect=1, alpha=5), "alpha is 5"),
        (lambda: stats.power(4, 4, effect=1, alternative="up"), "alternative is 'up'"),
        (lambda: stats.detectable_effect(4, 4, target=0.01), "target is 0.01, not above alpha"),
        (lambda: stats.detectable_effect(4, 4, target=1), "target is 1"),
        (lambda: stats.detectable_effect(4, 4, alternative="up"), "alternative is 'up'"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()
