from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError


def table(counts, group=None) -> ad.AnnData:
    counts = np.asarray(counts)
    obs = pd.DataFrame(index=[f"r{i}" for i in range(len(counts))])
    if group is not None:
        obs["group"] = group
    var = pd.DataFrame(index=[f"g{i}" for i in range(counts.shape[1])])
    return ad.AnnData(counts, obs=obs, var=var)


def naive_by_expression(counts, group, min_count=10, min_total=15, large=10, share=0.7):
    """filterByExpr as its help page words it, gene by gene."""
    size = counts.sum(axis=1)
    smallest = min(pd.Series(group).value_counts())
    if smallest > large:
        smallest = large + (smallest - large) * share
    cutoff = min_count / np.median(size) * 1e6
    keep = []
    for gene in range(counts.shape[1]):
        cpm = counts[:, gene] / size * 1e6
        keep.append((cpm >= cutoff).sum() >= smallest and counts[:, gene].sum() >= min_total)
    return np.array(keep)


@pytest.mark.parametrize("sizes", [(4, 6), (12, 18)])
def test_by_expression_equals_its_description(rng, sizes):
    group = np.repeat(["a", "b"], sizes)
    mean = rng.gamma(0.3, 40, 400)
    counts = rng.poisson(mean * rng.uniform(0.5, 2, (len(group), 1)))
    keep = cs.pp.filter_genes(table(counts, group), group="group")
    np.testing.assert_array_equal(keep, naive_by_expression(counts, group))
    assert 0.1 < keep.mean() < 0.9


def test_the_published_rule_is_strict_and_counts_rows():
    counts = np.full((6, 3), 0)
    counts[:, 0] = 1_000_000 - 21
    counts[:5, 1] = 11  # 11 per million in five rows
    counts[:, 2] = 10  # exactly 10 per million: not above
    counts[5, 1] = 11
    pdata = table(counts)
    keep = cs.pp.filter_genes(pdata, method="cpm")
    assert keep.tolist() == [True, True, False]
    assert cs.pp.filter_genes(pdata, method="cpm", min_rows=7).tolist() == [False] * 3


def test_a_gene_of_the_small_group_alone_is_kept(rng):
    group = np.repeat(["low", "high"], [10, 4])
    counts = np.full((14, 2), 1000)
    counts[:10, 1] = 0
    assert cs.pp.filter_genes(table(counts, group), group="group").tolist() == [True, True]
    assert cs.pp.filter_genes(table(counts, group)).tolist() == [True, False]


def test_input_is_untouched_and_the_answer_is_indexed_by_gene():
    pdata = table([[500, 0], [400, 1]])
    keep = cs.pp.filter_genes(pdata)
    assert list(keep.index) == ["g0", "g1"]
    assert pdata.shape == (2, 2)
    assert pdata[:, keep.to_numpy()].shape == (2, 1)


def test_errors():
    with pytest.raises(InputError, match=r"rows without counts: \['r1'\]"):
        cs.pp.filter_genes(table([[5, 1], [0, 0]]))
    with pytest.raises(InputError, match="method is 'tmm', but must be one of"):
        cs.pp.filter_genes(table([[5, 1]]), method="tmm")
    with pytest.raises(MissingKeyError, match=r"adata.obs\['crs'\] is missing"):
        cs.pp.filter_genes(table([[5, 1]]), group="crs")
