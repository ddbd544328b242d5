from __future__ import annotations

import numpy as np
import pytest

from cartscope import stats
from cartscope._errors import InputError


def test_every_relabelling_once_where_there_are_few_enough():
    found = stats.relabel(list("aabbb"), n_permutations=10)
    labels = [tuple(one) for one in found.labels]
    assert (found.exact, found.n, len(labels), len(set(labels))) == (True, 10, 10, 10)
    assert tuple("aabbb") in labels
    assert all(sorted(one) == list("aabbb") for one in labels)


def test_draws_beyond_that_and_the_same_with_the_same_seed():
    def drawn(seed):
        return [
            tuple(one)
            for one in stats.relabel(list("aabbb"), n_permutations=9, random_state=seed).labels
        ]

    assert not stats.relabel(list("aabbb"), n_permutations=9).exact
    assert len(drawn(0)) == 9
    assert drawn(0) == drawn(0) != drawn(1)


@pytest.mark.parametrize("n", [5, 1000])
def test_strata_keep_their_labels(n):
    groups, strata = np.array(list("aabbab")), np.array([0, 0, 0, 1, 1, 1])
    for one in stats.relabel(groups, strata=strata, n_permutations=n).labels:
        assert [sorted(one[strata == s]) for s in (0, 1)] == [list("aab"), list("abb")]


def test_nothing_to_permute_is_said():
    with pytest.raises(InputError, match="nothing to permute; coarsen strata"):
        stats.relabel(list("aabb"), strata=[0, 0, 1, 1])
    with pytest.raises(InputError, match="at least one relabelling"):
        stats.relabel(list("ab"), n_permutations=0)
