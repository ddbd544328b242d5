from __future__ import annotations

import pytest

import cartscope as cs
from cartscope._errors import ManifestError

TYPES = {
    *("T", "CD14 monocyte", "CD16 monocyte", "NK", "B", "pDC", "cDC", "platelet", "erythroid"),
    *("ICANS-associated", "LAMP3+"),
}


@pytest.fixture(scope="module")
def path():
    return cs.manifest.manifest_dir() / "annotation.toml"


def test_types_are_spelt_as_everywhere(path):
    manifest = cs.manifest.read_annotation(path)
    assert set(manifest.cell_type) == TYPES
    assert {entry.cell_type for entry in manifest.published} <= TYPES
    assert set(manifest.car.controls) <= TYPES


def test_product_types_occur_in_products_only(path):
    manifest = cs.manifest.read_annotation(path)
    for name in ("ICANS-associated", "LAMP3+"):
        assert manifest.cell_type[name].only_in == {"timepoint": ("infusion_product",)}


def test_published_rules_are_the_papers(path):
    manifest = cs.manifest.read_annotation(path)
    rules = [(entry.gene, entry.above) for entry in manifest.published]
    assert rules == [
        *(("LILRA4", 1.0), ("PF4", 2.0), ("NKG7", 2.0), ("CD3D", 0.75), ("LYZ", 2.0)),
        *(("CD1C", 1.0), ("MS4A1", 1.0)),
    ]
    gates = manifest.gates
    assert (gates.n_neighbors, gates.n_comps, gates.min_cells) == (20, 15, 50)
    assert (gates.cd3d, gates.cd4, gates.cd8a, gates.ccr7) == (0.75, 0.25, 0.75, 0.5)
    assert (gates.foxp3, gates.nkg7) == (0.75, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("[assign]", "[assign]\nleast = 1", r"assign\.least: unknown key"),
        ("level = 1.1", "level = -1.1", r"cell_type\.T\.level = -1\.1"),
        ("[ambient]\nT =", "[ambient]\nTcell =", r"ambient: 'Tcell' is no entry of cell_type"),
        ('"CD79A", "IGHM"]', '"CD79A", "IGHM"]\npDC = []', r"ambient: 'pDC' has no gene"),
        ('lineage = "CD4"', 'lineage = "CD5"', r"lineage 'CD5' is no entry of t_subset"),
        ("cd3d = 0.75", "", r"gates\.cd3d: missing"),
    ],
)
def test_a_wrong_entry_is_named(path, tmp_path, old, new, match):
    text = path.read_text("utf-8")
    assert old in text
    wrong = tmp_path / "annotation.toml"
    wrong.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ManifestError, match=match):
        cs.manifest.read_annotation(wrong)
