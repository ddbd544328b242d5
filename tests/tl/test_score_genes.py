from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import cartscope as cs
from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.tl._score_genes import draw_controls, expression_bins, gene_means, score_sets


@pytest.mark.reference
@pytest.mark.parametrize("data", ["kang", "pbmc3k"])
def test_scores_are_seurats_given_the_same_controls(data, request):
    adata, scores, _, controls = request.getfixturevalue(data)
    ours = score_sets(
        adata,
        {name: controls[name]["features"] for name in ("S", "G2M")},
        controls={name: controls[name]["controls"] for name in ("S", "G2M")},
    )
    common = scores.index.intersection(ours.index)
    assert len(common) > 1900
    for name, theirs in (("S", "S.Score"), ("G2M", "G2M.Score")):
        difference = ours.loc[common, name] - scores.loc[common, theirs]
        assert np.abs(difference).max() < 1e-12


@pytest.mark.reference
@pytest.mark.parametrize("data", ["kang", "pbmc3k"])
def test_bins_are_seurats(data, request):
    adata, scores, bins, _ = request.getfixturevalue(data)
    part = adata[adata.obs_names.isin(scores.index)]
    means = pd.Series(gene_means(part.X), adata.var_names)
    # Seurat bins the genes it knows, from the cells it knows
    means = means.reindex(bins.index)
    if np.allclose(means, bins["mean_log"], atol=1e-9):
        ours = expression_bins(means.to_numpy())
    else:
        ours = expression_bins(bins["mean_log"].to_numpy())
    assert (ours == bins["bin"]).mean() > 0.999


def test_score_is_mean_of_set_minus_mean_of_controls(planted):
    adata = planted.copy()
    cs.tl.score_genes(adata, ["CD3D", "CD3E"], controls=["gene1", "gene2", "gene3"])
    x = planted.to_df()
    by_hand = x[["CD3D", "CD3E"]].mean(axis=1) - x[["gene1", "gene2", "gene3"]].mean(axis=1)
    np.testing.assert_allclose(adata.obs["score"], by_hand, atol=1e-6)


def test_sparse_and_dense_give_the_same(planted):
    dense = AnnData(planted.X.toarray(), obs=planted.obs[[]], var=planted.var)
    sets = {"a": ["CD3D", "gene5"], "b": ["NKG7"]}
    np.testing.assert_allclose(score_sets(planted, sets), score_sets(dense, sets), atol=1e-6)


def test_controls_come_from_the_genes_bin_and_may_be_of_the_set():
    bins = np.repeat([1, 2], 50)
    own = np.array([0, 1])
    picked = draw_controls(own, bins, n_controls=50, rng=stream(0, "x"))
    assert set(picked) == set(range(50))  # a bin's genes only, the set's own among them
    few = draw_controls(own, bins, n_controls=5, rng=stream(0, "x"))
    assert 5 <= len(few) <= 10


def test_a_sets_score_does_not_depend_on_the_other_sets(planted):
    alone = score_sets(planted, {"b": ["NKG7"]})
    together = score_sets(planted, {"a": ["CD3D"], "b": ["NKG7"]})
    pd.testing.assert_series_equal(alone["b"], together["b"])


def test_seed_decides_the_controls(planted):
    one, two = (score_sets(planted, {"a": ["CD3D"]}, n_controls=5, random_state=s) for s in (0, 1))
    assert not np.allclose(one, two)
    pd.testing.assert_frame_equal(one, score_sets(planted, {"a": ["CD3D"]}, n_controls=5))


def test_bins_have_equal_size_and_stand_ties():
    bins = expression_bins(np.random.default_rng(0).random(2400))
    assert set(np.bincount(bins)[1:]) == {100}
    tied = expression_bins(np.r_[np.zeros(500), np.linspace(0.1, 1, 500)])
    assert tied.min() == 1
    assert len(set(tied[:500])) == 1


def test_bins_are_closed_on_the_right():
    assert expression_bins(np.arange(5.0), n_bins=4).tolist() == [1, 1, 2, 3, 4]


def test_alias_finds_a_renamed_gene(planted):
    scores = score_sets(planted, {"a": ["OLD"]}, controls={"a": ["gene1"]}, aliases={"OLD": "CD3D"})
    direct = score_sets(planted, {"a": ["CD3D"]}, controls={"a": ["gene1"]})
    pd.testing.assert_frame_equal(scores, direct)


def test_copy_leaves_the_input_alone(planted):
    before = planted.obs.copy()
    out = cs.tl.score_genes(planted, ["CD3D"], copy=True)
    assert "score" in out.obs
    pd.testing.assert_frame_equal(planted.obs, before)


def test_unknown_genes_raise(planted):
    with pytest.raises(InputError, match=r"gene set 'score': none of its 1 genes"):
        cs.tl.score_genes(planted.copy(), ["nothing"])
    with pytest.raises(InputError, match="none of its control genes"):
        cs.tl.score_genes(planted.copy(), ["CD3D"], controls=["nothing"])


def test_raw_counts_in_x_raise():
    adata = AnnData(np.full((3, 2), 400.0))
    with pytest.raises(InputError, match=r"adata.X holds 400.*run pp.normalize first"):
        cs.tl.score_genes(adata, ["0"])
