from __future__ import annotations

import numpy as np
import pytest

from cartscope.tl._car_model import fit_car
from cartscope.tl._car_parts import fit_parts

FLOOR = 2e-6


def part(seed, *, n_t, n_control, depth, share=0.5, floor=FLOOR, first_control=None, n=1):
    """SIMULATED: T cells, some with a CAR, and control cells in ``n`` samples."""
    rng = np.random.default_rng(seed)
    samples = np.arange(n_t + n_control) % n
    n = n_t + n_control
    d = rng.lognormal(np.log(depth), 0.5, n).astype(int)
    candidate = np.arange(n) < n_t
    car = candidate & (rng.random(n) < share)
    y = rng.poisson(d * (floor + car * 3e-4 * rng.gamma(2.5, 1 / 2.5, n)))
    if first_control is not None:
        y[n_t:] = 0
        y[n_t] = first_control
    return {
        "counts": y, "depth": d, "samples": samples,
        "candidate": candidate, "control": ~candidate,
    }, car  # fmt: skip


@pytest.fixture(scope="module")
def product():
    """A deep product; one of its 12 control cells has a CAR count."""
    return part(1, n_t=2000, n_control=12, depth=10_000, first_control=1, n=12)


@pytest.fixture(scope="module")
def blood():
    return part(2, n_t=2000, n_control=4000, depth=4000, share=0.2)[0]


def test_one_count_in_few_control_cells_does_not_set_the_floor(product, blood):
    """It did: deep CAR T cells of products with one count were taken for ambient."""
    arguments, car = product
    alone = fit_car(**arguments)
    assert np.median(alone.ambient) > 1.5 * FLOOR
    together, _ = fit_parts([arguments, blood])
    assert np.median(together.ambient) == pytest.approx(FLOOR, rel=0.4)
    one = (arguments["counts"] == 1) & car & (arguments["depth"] > 15_000)
    assert one.sum() > 10
    assert together.probability[one].mean() > alone.probability[one].mean() + 0.02


def test_many_control_cells_keep_their_own_floor(product, blood):
    alone = fit_car(**blood)
    _, together = fit_parts([product[0], blood])
    assert together.ambient[0] == pytest.approx(alone.ambient[0], rel=0.05)
    np.testing.assert_allclose(together.probability, alone.probability, atol=0.01)


def test_blood_before_the_infusion_neither_gives_nor_takes(product, blood):
    """Its floor is that of a library without a CAR."""
    before, _ = part(3, n_t=0, n_control=5000, depth=4000, floor=0.0)
    with_it = fit_parts([product[0], blood, before])
    without = fit_parts([product[0], blood])
    for a, b in zip(with_it, without, strict=False):
        np.testing.assert_array_equal(a.ambient, b.ambient)
    assert with_it[2].ambient[0] == fit_car(**before).ambient[0]


def test_one_part_is_fitted_as_it_is(product):
    (fit,) = fit_parts([product[0]])
    np.testing.assert_array_equal(fit.probability, fit_car(**product[0]).probability)


def test_other_parts_without_a_count_say_little_where_they_are_small(blood):
    """No count in few cells is not a floor of zero, nor one of half a count among them."""
    small, _ = part(4, n_t=50, n_control=2, depth=500, first_control=0)
    alone = fit_car(**blood)
    fit, _ = fit_parts([blood, small])
    assert fit.ambient[0] == pytest.approx(alone.ambient[0], rel=0.05)
