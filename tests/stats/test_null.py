from __future__ import annotations

import numpy as np
import pytest

from cartscope.stats._null import rank_sum_null, u_cdf


def test_u_distribution_agrees_with_r(r_answers):
    rows = r_answers("u_distribution")
    assert len(rows) == 42
    for row in rows:
        cdf = u_cdf(int(row["n_x"]), int(row["n_y"]))
        assert cdf[int(row["u"])] == pytest.approx(row["p"], rel=1e-10)


@pytest.mark.parametrize("ties", [(1,) * 9, (2, 1, 4, 2), (9,), (5, 4), (1, 1, 7)])
def test_tails_add_up_and_complements_mirror(ties):
    for n in range(1, 9):
        null = rank_sum_null(ties, n).null
        assert null.cdf[-1] == pytest.approx(1)
        assert null.sf[0] == pytest.approx(1)
        np.testing.assert_allclose(null.cdf + null.sf, 1, atol=1e-14)
        mean = (np.diff(null.cdf) * (null.low + np.arange(null.cdf.size - 1))).sum()
        assert mean == pytest.approx(null.center / null.scale)


def test_nothing_lies_beyond_the_ends():
    null = rank_sum_null((2, 1, 4, 2), 3).null
    far = np.array([-1000, 1000])
    assert null.below(far).tolist() == [0.0, 1.0]
    assert null.above(far).tolist() == [1.0, 0.0]
