from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cartscope._errors import InputError
from cartscope._schema import OVER_REPRESENTATION
from cartscope.tl import over_representation

UNIVERSE = [f"G{i}" for i in range(500)]


def test_p_is_fishers_one_sided_test():
    sets = {"top": [*UNIVERSE[:12], "stranger"], "spread": UNIVERSE[::25]}
    table = over_representation(UNIVERSE[:30], sets, universe=UNIVERSE, name="x")
    OVER_REPRESENTATION.check(table)
    assert table["gene_set"].tolist() == ["top", "spread"]
    for _, row in table.iterrows():
        a, m, k, n = row["overlap"], row["size"], 30, 500
        square = [[a, m - a], [k - a, n - m - k + a]]
        assert row["p_value"] == pytest.approx(stats.fisher_exact(square, "greater").pvalue)
    assert table.loc[0, "size"] == 12
    assert table.loc[0, "fold_enrichment"] == pytest.approx(12 * 500 / (12 * 30))
    assert table["fdr"].to_numpy() == pytest.approx(
        stats.false_discovery_control(table["p_value"].to_numpy())
    )


def test_sizes_count_the_universe_only():
    table = over_representation(["G1"], {"s": ["G1", "a", "b", "c", "d"]}, universe=UNIVERSE)
    assert table.loc[0, "reason"] == "size 1 is below min_size=5"
    big = over_representation(["G1"], {"s": UNIVERSE}, universe=UNIVERSE, max_size=400)
    assert big.loc[0, "reason"] == "size 500 is above max_size=400"
    assert big["p_value"].isna().all()


@pytest.mark.parametrize(
    ("genes", "message"),
    [(["G1", "X"], "first 'X'"), ([], "genes is empty"), ("G1", "not one string")],
)
def test_errors(genes, message):
    with pytest.raises(InputError, match=message):
        over_representation(genes, {"s": UNIVERSE[:9]}, universe=UNIVERSE)


@pytest.mark.reference
def test_agrees_with_fgseas_fora(reference):
    from cartscope.io import read_gene_sets
    from cartscope.manifest import manifest_dir

    theirs = pd.read_csv(reference / "kang2k/gsea/cd14_hallmark_fora_up.csv.gz").set_index(
        "pathway"
    )
    ranking = pd.read_csv(reference / "kang2k/gsea/cd14_rank.csv.gz").set_index("gene")["stat"]
    de = pd.read_csv(reference / "kang2k/de/cd14_paired_deseq2.csv.gz", index_col=0)
    sets = read_gene_sets(manifest_dir() / "gene_sets" / "hallmark.gmt")
    up = chosen_genes(de, ranking.index)
    table = over_representation(up, sets, universe=ranking.index).set_index("gene_set")
    both = theirs.join(table, how="inner", lsuffix="_fora")
    both = both[both["reason"] == ""]
    assert len(both) >= 40
    assert (both["overlap_fora"] == both["overlap"]).all()
    assert (both["size_fora"] == both["size"]).all()
    assert np.log(both["p_value"]).to_numpy() == pytest.approx(np.log(both["pval"]).to_numpy())


def chosen_genes(de: pd.DataFrame, universe: pd.Index) -> list[str]:
    table = de[de.index.isin(universe)]
    return list(table.index[(table["padj"] < 0.05) & (table["log2FoldChange"] > 0)])
