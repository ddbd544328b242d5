from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope._errors import InputError
from cartscope._schema import GSEA
from cartscope.io import read_gene_sets
from cartscope.manifest import manifest_dir
from cartscope.tl import gene_set_overlap, gsea


@pytest.fixture
def ranking(rng) -> pd.Series:
    return pd.Series(rng.normal(size=400), index=[f"G{i}" for i in range(400)])


@pytest.fixture
def sets(ranking, rng) -> dict[str, list[str]]:
    genes = ranking.index.to_numpy()
    top = ranking.sort_values(ascending=False).index[:40]
    return {
        "top": list(rng.choice(top, 12, replace=False)),
        **{f"random{i}": list(rng.choice(genes, 15, replace=False)) for i in range(6)},
        "tiny": list(genes[:3]),
    }


def naive_es(stats: pd.Series, genes: list[str]) -> tuple[float, list[str]]:
    """Running sum of Subramanian et al. 2005, written down gene by gene."""
    inside = stats.index.isin(genes)
    total = stats[inside].abs().sum()
    step_down = 1 / (~inside).sum()
    level, best, where = 0.0, 0.0, -1
    for i, (stat, hit) in enumerate(zip(stats, inside, strict=True)):
        before = level
        level += abs(stat) / total if hit else -step_down
        if hit and level > abs(best):
            best, where = level, i
        if hit and -before > abs(best):
            best, where = before, i
    chosen = np.flatnonzero(inside)
    edge = chosen[chosen <= where] if best > 0 else chosen[chosen >= where][::-1]
    return best, list(stats.index[edge])


def test_scores_and_leading_edges_are_those_of_the_definition(ranking, sets):
    table = gsea(ranking, sets).set_index("gene_set")
    ordered = ranking.sort_values(ascending=False)
    for term in set(sets) - {"tiny"}:
        score, edge = naive_es(ordered, sets[term])
        assert table.loc[term, "es"] == pytest.approx(score, abs=1e-12)
        assert table.loc[term, "leading_edge"].split(";") == edge


def test_planted_set_leads_and_table_follows_its_schema(ranking, sets):
    before = ranking.copy()
    table = gsea(ranking, sets, name="mono")
    GSEA.check(table)
    pd.testing.assert_series_equal(ranking, before)
    assert table.loc[0, "gene_set"] == "top"
    assert table.loc[0, "fdr"] < 0.01
    assert (table["contrast"] == "mono").all()
    assert table.attrs["family_size"] == 7


def test_prerank_p_of_zero_and_fdr_that_is_not_benjamini_hochberg(ranking):
    extreme = pd.Series(np.linspace(4, -4, 1000), index=[f"G{i}" for i in range(1000)])
    table = gsea(extreme, {f"s{i}": list(extreme.index[i : i + 30]) for i in (0, 30, 300)})
    assert (table["p_value"] > 0).all()
    assert table["p_value"].min() < 1e-20
    p = table["p_value"].to_numpy()
    by_hand = np.minimum.accumulate((p * p.size / np.arange(1, p.size + 1))[::-1])[::-1]
    assert table["fdr"].to_numpy() == pytest.approx(by_hand)


def test_prerank_ties_made_the_result_depend_on_row_order(ranking, sets):
    rounded = ranking.round(1)
    table = gsea(rounded, sets)
    for seed in (1, 2):
        shuffled = gsea(rounded.sample(frac=1, random_state=seed), sets)
        pd.testing.assert_frame_equal(table, shuffled)
    assert table.attrs["tied_share"] > 0.9


def test_result_depends_neither_on_jobs_nor_on_the_order_of_genes_in_a_set(ranking, sets):
    table = gsea(ranking, sets)
    reversed_sets = {term: genes[::-1] * 2 for term, genes in sets.items()}
    pd.testing.assert_frame_equal(table, gsea(ranking, reversed_sets, n_jobs=2))


def test_prerank_accepted_duplicate_genes_silently(ranking, sets):
    weaker = pd.Series({"G0": ranking["G0"] / 2, "G1": -ranking["G1"] / 3})
    table = gsea(pd.concat([weaker, ranking]), sets)
    pd.testing.assert_frame_equal(table, gsea(ranking, sets))
    assert table.attrs["duplicates"] == ["G0", "G1"]


def test_prerank_dropped_short_sets_silently(ranking, sets):
    table = gsea(ranking, {**sets, "strangers": ["X1", "X2"]}, max_size=14).set_index("gene_set")
    assert table.loc["tiny", "reason"] == "size 3 is below min_size=5"
    assert table.loc["strangers", "reason"] == "size 0 is below min_size=5"
    assert table.loc["random0", "reason"] == "size 15 is above max_size=14"
    assert (
        table.loc[["tiny", "strangers", "random0"], ["es", "p_value", "fdr"]].isna().all(axis=None)
    )


def test_prerank_went_to_the_network_for_gene_sets_by_name(ranking):
    with pytest.raises(InputError, match="never fetched by name"):
        gsea(ranking, "MSigDB_Hallmark_2020")


def test_prerank_multilevel_nan_sets_become_rows_with_a_reason(rng):
    positive = pd.Series(np.abs(rng.normal(size=300)), index=[f"g{i}" for i in range(300)])
    ordered = positive.sort_values(ascending=False)
    table = gsea(positive, {"mid": ordered.index[100:250], "top": ordered.index[:10]})
    table = table.set_index("gene_set")
    assert np.isnan(table.loc["mid", "p_value"])
    assert "p not estimable" in table.loc["mid", "reason"]
    assert table.loc["top", "fdr"] == table.loc["top", "p_value"]


def test_prerank_panicked_on_statistics_that_are_exactly_zero(rng):
    """A random set of zeros is 0 / 0 in GSEApy's core: a PanicException, which is no Exception."""
    rng = np.random.default_rng(0)
    stats = np.where(rng.random(2000) < 0.5, 0.0, rng.normal(size=2000) ** 3)
    ranking = pd.Series(stats, index=[f"g{i}" for i in range(2000)])
    ordered = ranking.sort_values(ascending=False).index
    sets = {f"t{i}": list(ordered[i : i + 6]) for i in range(20)}
    table = gsea(ranking, sets)
    assert table["p_value"].between(0, 1, inclusive="right").all()
    score, _ = naive_es(ranking.sort_values(ascending=False), sets["t7"])
    assert table.set_index("gene_set").loc["t7", "es"] == pytest.approx(score, abs=1e-7)


def test_ties_are_ordered_by_gene_name():
    names = [f"g{i:02}" for i in range(40)]
    ranking = pd.Series([3.0] * 10 + [1.0] * 20 + [-2.0] * 10, index=names).iloc[::-1]
    edge = gsea(ranking, {"s": names[2:9]}).loc[0, "leading_edge"]
    assert edge == ";".join(names[2:9])


def test_names_in_small_letters_are_not_changed_into_other_genes(ranking):
    stats = ranking.rename(lambda gene: gene.lower())
    stats["G0"] = 50.0  # upper-casing would make it one gene with g0
    table = gsea(stats, {"with_g0": [f"g{i}" for i in range(10)]})
    assert "G0" not in table.loc[0, "leading_edge"].split(";")
    assert table.loc[0, "size"] == 10


def test_missing_statistics_are_dropped_and_counted(ranking, sets):
    with_gap = pd.concat([ranking, pd.Series({"gap1": np.nan, "gap2": np.nan})])
    table = gsea(with_gap, sets)
    pd.testing.assert_frame_equal(table, gsea(ranking, sets))
    assert table.attrs["n_missing"] == 2
    assert table.attrs["n_genes"] == 400


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (pd.Series([1.0, np.inf], index=["a", "b"]), "1 infinite statistics, first 'b'"),
        (pd.Series([np.nan], index=["a"]), "no gene with a statistic"),
        (pd.Series([0.0, 0.0], index=["a", "b"]), "other than 0"),
        (pd.Series(["x"], index=["a"]), "must hold numbers"),
        ({"a": 1.0}, "must be a pandas Series"),
    ],
)
def test_rankings_that_cannot_be_used(bad, message):
    with pytest.raises(InputError, match=message):
        gsea(bad, {"s": ["a", "b"]})


@pytest.mark.parametrize(
    ("bad", "message"), [({}, "gene_sets is empty"), ({"s": "IL4"}, "is one string")]
)
def test_gene_sets_that_cannot_be_used(ranking, bad, message):
    with pytest.raises(InputError, match=message):
        gsea(ranking, bad)


def test_overlap_of_the_sets_that_claims_name():
    sets = read_gene_sets(manifest_dir() / "gene_sets" / "study.gmt")
    table = gene_set_overlap(sets).set_index(["set_a", "set_b"])
    pair = (
        "REACTOME_INTERLEUKIN_4_AND_INTERLEUKIN_13_SIGNALING",
        "REACTOME_INTERLEUKIN_18_SIGNALING",
    )
    assert set(table.loc[pair, "genes"].split(";")) == {"ALOX5", "IL13", "IL18", "IL4"}
    assert table.loc[pair, "contained"] == 0.5
    assert len(table) == 55


@pytest.mark.reference
@pytest.mark.parametrize(
    ("answer", "collection", "weight"),
    [
        ("hallmark_p1", "hallmark", 1.0),
        ("hallmark_p0", "hallmark", 0.0),
        ("reactome_p1", None, 1.0),
    ],
)
def test_agrees_with_fgsea(reference, answer, collection, weight):
    folder = reference / "kang2k" / "gsea"
    ranking = pd.read_csv(folder / "cd14_rank.csv.gz").set_index("gene")["stat"]
    theirs = pd.read_csv(folder / f"cd14_{answer}_fgseaMultilevel.csv.gz").set_index("pathway")
    if collection is None:
        # Reactome of another MSigDB release: the sets whose genes are the same in both
        ours = read_gene_sets(manifest_dir() / "gene_sets" / "reactome.gmt")
        size = {t: len(set(g) & set(ranking.index)) for t, g in ours.items()}
        edges = theirs["leadingEdge"].str.split("|")
        keep = [
            t
            for t in theirs.index
            if size.get(t) == theirs.loc[t, "size"] and set(edges[t]) <= set(ours[t])
        ]
        assert len(keep) > 500
        sets = {t: ours[t] for t in keep[::4]}
    else:
        sets = read_gene_sets(manifest_dir() / "gene_sets" / f"{collection}.gmt")
    table = gsea(ranking, sets, min_size=int(theirs["size"].min()), weight=weight)
    table = table[table["reason"] == ""].set_index("gene_set")
    both = theirs.join(table, how="inner", lsuffix="_fgsea")
    assert len(both) == (len(sets) if collection is None else len(theirs))
    edges = both["leading_edge"].str.split(";")
    same = (both["leadingEdge"].str.split("|") == edges) & np.isclose(both["ES"], both["es"])
    if collection is None:
        assert same.mean() > 0.98  # a few sets hold another gene of the same size
        both = both[same]
    else:
        assert same.all()
    assert np.abs(both["ES"] - both["es"]).max() < 1e-12
    difference = np.abs(np.log10(both["pval"]) - np.log10(both["p_value"]))
    assert difference.median() <= 0.02
    assert (both["p_value"] > 0).all()


@pytest.mark.reference
def test_interferon_leads_in_stimulated_monocytes(reference):
    ranking = pd.read_csv(reference / "kang2k" / "gsea" / "cd14_rank.csv.gz").set_index("gene")
    sets = read_gene_sets(manifest_dir() / "gene_sets" / "hallmark.gmt")
    table = gsea(ranking["stat"], sets)
    assert set(table["gene_set"][:2]) == {
        "HALLMARK_INTERFERON_ALPHA_RESPONSE",
        "HALLMARK_INTERFERON_GAMMA_RESPONSE",
    }
    assert (table["nes"][:2] > 2).all()
    assert "CXCL10" in table.loc[0, "leading_edge"].split(";") + table.loc[1, "leading_edge"].split(
        ";"
    )
