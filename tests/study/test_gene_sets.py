"""What stands beside an enrichment: how to read the set, what it shares, and who passes in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope._schema import DE
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._set_notes import notes, shared_lines, with_notes
from cartscope.study.steps import over_representation

IL4 = "REACTOME_INTERLEUKIN_4_AND_INTERLEUKIN_13_SIGNALING"
IL10 = "REACTOME_INTERLEUKIN_10_SIGNALING"
IL18 = "REACTOME_INTERLEUKIN_18_SIGNALING"
IFNA = "HALLMARK_INTERFERON_ALPHA_RESPONSE"


@pytest.fixture
def ctx(tmp_path) -> Context:
    return Context(Settings(out=tmp_path), annotating_before=annotating_before)


def test_every_set_of_the_study_has_a_note_and_says_what_it_shares(ctx):
    known = notes(ctx)
    assert set(known) == {n.name for n in ctx.manifests.gene_set_notes.set}
    assert "IL-10 represses" in known[IL10]
    assert f"4 with {IL4}" in known[IL18]
    assert f"4 with {IL18}" in known[IL4]
    # sets that no claim is judged by are not listed as sharing
    assert "WP_IL4" not in known[IL4]
    table = with_notes(ctx, pd.DataFrame({"gene_set": [IL10, "SOMETHING_ELSE"]}))
    assert table["note"].tolist() == [known[IL10], ""]


def test_only_drawn_sets_are_compared(ctx):
    table = pd.DataFrame(
        {"set_a": ["a", "a", "b"], "set_b": ["b", "c", "c"], "shared": [5, 1, 0],
         "genes": ["A;B;C;D;E", "A", ""]}
    )  # fmt: skip
    sets = {"a": "one", "b": "two", "c": "three"}
    assert shared_lines(table, sets, drawn=["a", "b"]) == [
        "one and two share 5 genes (A, B, C, D, \u2026)"
    ]
    assert len(shared_lines(table, sets, drawn=list(sets))) == 2
    assert shared_lines(table, sets, drawn=["b", "c"]) == []


def test_genes_that_pass_are_asked_for_their_sets_up_and_down_apart(ctx):
    from cartscope import io
    from cartscope.manifest import manifest_dir

    sets = io.read_gene_sets(manifest_dir() / "gene_sets" / "study.gmt")
    rising = list(sets[IFNA])[:20]
    genes = list(dict.fromkeys([*rising, *(g for s in sets.values() for g in s)]))
    genes += [f"G{i}" for i in range(400)]
    passes = np.isin(genes, rising)
    de = pd.DataFrame(
        {**DE.blank(), "contrast": "mono_crs_anakinra", "gene": genes, "stat": 1.0,
         "log2_fc": np.where(passes, 2.0, -0.1), "p_value": np.where(passes, 1e-5, 0.5),
         "fdr": np.where(passes, 1e-3, 0.9)}
    )  # fmt: skip
    samples = pd.DataFrame(
        [
            {"sample_id": f"A{i}", "path": "x.h5", "patient": f"A{i}", "study": "GSE246490", "timepoint": "day7",
             "sorted": "false", "anakinra": "true", "crs_grade": 1 + (i < 4), "nt_grade": 0}
            for i in range(10)
        ]
    )  # fmt: skip
    ctx.path("tables").mkdir()
    ctx.write_table("tables/de.csv", de)
    ctx.write_table("tables/samples.csv", samples)
    over_representation.run(ctx)
    table = ctx.read_table("tables/over_representation.csv")
    up, down = (table[table["direction"] == d] for d in ("up", "down"))
    assert up.iloc[0]["gene_set"] == IFNA
    assert up.iloc[0]["overlap"] == 20
    assert up.iloc[0]["fdr"] < 1e-6
    assert (up["overlap"] > 0).all()
    assert down["reason"].tolist() == ["no gene passes q < 0.1"]
    assert set(table["contrast"]) == {"mono_crs_anakinra"}
    ctx.write_table("tables/de.csv", de.assign(contrast="other"))
    over_representation.run(ctx)
    nothing = ctx.read_table("tables/over_representation.csv")
    assert nothing["reason"].tolist() == ["no gene was tested"]
