"""The shipped manifests are valid, and a mistake in one is named with file, key and cure."""

from __future__ import annotations

import re
import shutil

import pytest

from cartscope import manifest as m
from cartscope._errors import ManifestError

DIR = m.manifest_dir()


def test_every_claim_of_the_paper_is_there_once():
    claims = m.read_claims(DIR / "claims.toml")
    assert len(claims) == 48
    assert {c.kind for c in claims} == {"count", "estimate", "test", "rank", "null"}


def test_evidence_names_contrasts_that_exist():
    ids = {c.id for c in m.read_contrasts(DIR / "contrasts.toml").contrast}
    for claim in m.read_claims(DIR / "claims.toml"):
        for evidence in claim.evidence:
            assert set(evidence.contrasts) <= ids, claim.id


def test_ligand_receptor_targets_are_populations():
    populations = m.read_contrasts(DIR / "contrasts.toml").population
    for pair in m.read_ligand_receptor(DIR / "ligand_receptor.toml").pair:
        assert {pair.source, *pair.targets} <= set(populations)


def test_presets_name_the_same_thresholds_and_each_has_a_source():
    published, recommended = (
        m.read_preset(DIR / "params" / f"{n}.toml") for n in ("published", "recommended")
    )
    for preset in (published, recommended):
        for section in type(preset).model_fields:
            part = getattr(preset, section)
            if not isinstance(part, str):
                for name in type(part).model_fields:
                    assert len(getattr(part, name).source) > 5, (preset.name, section, name)
    assert published.values("de")["engine"] == "limma_voom"
    assert recommended.values("de")["engine"] == "quasi_likelihood"


def test_presets_are_frozen():
    preset = m.read_preset(DIR / "params" / "published.toml")
    with pytest.raises(ValueError, match="frozen"):
        preset.name = "mine"


def broken(tmp_path, name, old, new):
    path = tmp_path / "broken.toml"
    text = (DIR / name).read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("contrasts.toml", 'outcome = "crs"', 'outcom = "crs"', "outcom: unknown key; did you mean 'outcome'"),
        ("contrasts.toml", 'outcome = "crs"', 'outcome = "csr"', "names outcome 'csr'; known: "),
        ("contrasts.toml", 'population = "cd14_monocyte"', 'population = "mono"', "names population 'mono'; known: "),
        ("contrasts.toml", 'id = "mono_crs_no_anakinra"', 'id = "mono_crs_anakinra"', "two contrasts are called 'mono_crs_anakinra'"),
        ("contrasts.toml", 'fit = "mono_crs"', 'fit = "mono"', "names fit 'mono'; known: "),
        ("contrasts.toml", 'at = { anakinra = true }\n', "", "says either where its effect is read"),
        ("contrasts.toml", 'at = { anakinra = true }', 'at = { arm = true }', "names ['arm'], which '~ anakinra * group + study' does not have"),
        ("contrasts.toml", 'fit = "mono_crs"\nat', 'at', "at says where on a shared fit an effect is read: name the fit"),
        ("contrasts.toml", 'fit = "mono_crs"', 'fit = "mono_nt"', "and its fit 'mono_nt' differ in outcome: 'crs' and 'nt'"),
        ("contrasts.toml", 'samples = { timepoint = ["day7"] }\noutcome = "crs"', 'samples = { timepoint = ["day14"] }\noutcome = "crs"', "has samples that its fit 'mono_crs' leaves out, by ['timepoint']"),
        ("contrasts.toml", 'analyses = ["de", "gsea"]', 'analyses = ["composition"]\nparts = ["t_subset"]', "fit and at are for de contrasts: add de to analyses"),
        ("contrasts.toml", 'analyses = ["de", "gsea"]', 'analyses = ["gsea"]', "gsea ranks the genes of de: add de"),
        ("contrasts.toml", 'design = "~ group"\n', "", "needs a design"),
        ("contrasts.toml", '}\nlibraries = "unsorted"', '}\nlibraries = "blood"', "'unsorted' or 'all'"),
        ("contrasts.toml", "[{ column = \"crs_grade\", min = 2 }]", '[{ column = "crs_grade" }]', "needs one of min, max, equals"),
        ("claims.toml", 'kind = "count"', 'kind = "counts"', "'count', 'estimate', 'test', 'rank' or 'null'"),
        ("claims.toml", 'id = "cells-comparator"', 'id = "cells-new-cohort"', r"claims stand twice: ['cells-new-cohort']"),
        ("claims.toml", ', excludes_source = "the paper calls more than 1% of a product notable"', "", "excludes needs excludes_source"),
        ("cohort.toml", "default_cells = 24000", "default_cells = 10", "greater than or equal to 2000"),
        ("biomarker_rules.toml", 'kind = "rule"', 'kind = "law"', "'rule', 'association' or 'model'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path, name, old, new, message):
    readers = {
        "contrasts.toml": m.read_contrasts,
        "claims.toml": m.read_claims,
        "cohort.toml": m.read_cohort_manifest,
        "biomarker_rules.toml": m.read_rules,
    }
    path = broken(tmp_path, name, old, new)
    with pytest.raises(ManifestError, match=re.escape(message)) as caught:
        readers[name](path)
    assert str(path) in str(caught.value)


def test_a_threshold_without_a_source_is_refused(tmp_path):
    path = broken(tmp_path, "params/published.toml", ', source = "code 2022" }', " }")
    with pytest.raises(ManifestError, match=r"qc\.min_genes\.source: missing; add it"):
        m.read_preset(path)


def test_bad_toml_and_missing_file(tmp_path):
    path = tmp_path / "contrasts.toml"
    with pytest.raises(ManifestError, match="no such manifest; pass --manifests"):
        m.read_contrasts(path)
    path.write_text("[outcome\n", "utf-8")
    with pytest.raises(ManifestError, match="not valid TOML"):
        m.read_contrasts(path)


def test_a_list_entry_is_named_by_its_id(tmp_path):
    path = broken(tmp_path, "contrasts.toml", 'why = "Fig S11D"', 'whi = "Fig S11D"')
    with pytest.raises(ManifestError, match=r"contrast\[mono_nt_anakinra\]\.why: missing"):
        m.read_contrasts(path)


def test_manifests_of_the_user_take_the_place_of_ours(tmp_path):
    from cartscope.study import Manifests

    shutil.copy(DIR / "cohort.toml", tmp_path / "cohort.toml")
    own = (tmp_path / "cohort.toml").read_text("utf-8").replace("24000", "30000")
    (tmp_path / "cohort.toml").write_text(own, "utf-8")
    manifests = Manifests(tmp_path)
    assert manifests.cohort.default_cells == 30000
    assert len(manifests.claims) == 48
