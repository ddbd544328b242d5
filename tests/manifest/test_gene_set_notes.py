from __future__ import annotations

import pytest

from cartscope._errors import ManifestError
from cartscope.io import read_gene_sets
from cartscope.manifest import manifest_dir, read_claims, read_gene_set_notes

FOLDER = manifest_dir() / "gene_sets"


@pytest.mark.parametrize(
    ("name", "n"),
    [
        *(("hallmark", 50), ("reactome", 1604), ("pid", 196)),
        *(("study", 11), ("t_cell", 61), ("t_cell_states", 3)),
    ],
)
def test_shipped_collections_are_complete(name, n):
    sets = read_gene_sets(FOLDER / f"{name}.gmt")
    assert len(sets) == n
    assert all(len(set(genes)) == len(genes) for genes in sets.values())


def test_nothing_of_kegg_or_biocarta_is_shipped():
    for path in FOLDER.glob("*.gmt"):
        for name in read_gene_sets(path):
            assert not name.startswith(("KEGG", "BIOCARTA")), path.name


def test_facts_about_the_sets_that_claims_rest_on():
    sets = read_gene_sets(FOLDER / "study.gmt")
    il10 = set(sets["REACTOME_INTERLEUKIN_10_SIGNALING"])
    assert {"IL1B", "CCL3", "CCL4", "CXCL10", "TNF"} <= il10
    il18 = set(sets["REACTOME_INTERLEUKIN_18_SIGNALING"])
    assert len(il18) == 8
    assert {"IL4", "IL13"} <= il18
    interferon = {name: set(genes) for name, genes in sets.items() if "INTERFERON" in name}
    assert not any("RETN" in genes for genes in interferon.values())
    assert not any("CXCL10" in genes for name, genes in interferon.items() if "REACTOME" in name)


def test_notes_speak_of_genes_that_are_in_the_sets_and_of_every_set():
    sets = read_gene_sets(FOLDER / "study.gmt")
    notes = read_gene_set_notes(FOLDER / "notes.toml")
    assert {note.name for note in notes.set} == set(sets)
    for note in notes.set:
        for genes in (note.components, note.induced, note.inhibited):
            assert set(genes) <= set(sets[note.name]), note.name


def test_every_pathway_that_a_claim_names_has_a_set():
    notes = read_gene_set_notes(FOLDER / "notes.toml")
    named = {
        feature
        for claim in read_claims(manifest_dir() / "claims.toml")
        for feature in claim.features
        if "signalling" in feature or "response score" in feature
    }
    assert len(named) >= 4
    for feature in named:
        first, *others = notes.for_feature(feature)
        assert first.primary
        assert not any(note.primary for note in others)


def test_a_feature_needs_exactly_one_primary_set(tmp_path):
    path = tmp_path / "notes.toml"
    entry = '[[set]]\nname = "{}"\nfeatures = ["f"]\nprimary = {}\nnote = "nnn"\nsource = "sss"\n'
    path.write_text(entry.format("A", "true") + entry.format("B", "true"))
    with pytest.raises(ManifestError, match="'f' has two primary sets, A and B"):
        read_gene_set_notes(path)
    path.write_text(entry.format("A", "false"))
    with pytest.raises(ManifestError, match="'f' has no primary set"):
        read_gene_set_notes(path)
    path.write_text(entry.format("A", "true").replace("note", "notes"))
    with pytest.raises(ManifestError, match="did you mean 'note'"):
        read_gene_set_notes(path)
