from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cartscope.simulate._design import patients
from cartscope.simulate._effect_tables import difference, effects_table, genes_table
from cartscope.simulate._effects import RULES, State, crs_anakinra, gene_effects, positions
from cartscope.simulate._profiles import reference

MANIFESTS = Path(__file__).parents[2] / "data_manifests"


def manifest(name: str, key: str) -> list[dict]:
    return tomllib.loads((MANIFESTS / name).read_text())[key]


def test_every_claim_about_geo_with_an_effect_has_its_counterpart():
    claims = manifest("claims.toml", "claim")
    # counts are what the design and the deal make; nulls and subset dynamics plant nothing
    wanted = {
        c["id"]
        for c in claims
        if c["data"].startswith("geo") and c["kind"] not in ("count", "null")
    } - {"subset-dynamics"}
    assert set(effects_table(1.0)["claim_id"]) == wanted


def test_claims_and_contrasts_exist():
    table = effects_table(1.0)
    claims = {c["id"]: c for c in manifest("claims.toml", "claim")}
    contrasts = {c["id"] for c in manifest("contrasts.toml", "contrast")} | {""}
    assert set(table["contrast"]) <= contrasts
    for row in table.itertuples():
        direction = claims[row.claim_id].get("direction", "")
        if direction in ("up", "down"):
            assert (row.log2_effect > 0) == (direction == "up"), row


def test_claimed_genes_are_planted_under_their_claim():
    table = effects_table(1.0)
    for claim in ("monocyte-shared-up", "monocyte-il1-down", "monocyte-anakinra-only"):
        features = next(c["features"] for c in manifest("claims.toml", "claim") if c["id"] == claim)
        assert set(features) <= set(table.loc[table["claim_id"] == claim, "feature"])


def test_no_effect_no_rows():
    assert effects_table(0.0).empty
    assert genes_table(0.0).empty
    state = State("day7", "CD14 monocyte")
    assert all(not gene_effects(p, state, 0.0).any() for p in patients())


def test_strength_scales_every_effect():
    one, two = effects_table(1.0), effects_table(2.0)
    np.testing.assert_allclose(two["log2_effect"], 2 * one["log2_effect"], atol=2e-4)


def test_an_anakinra_only_effect_is_nowhere_else():
    ref = reference()
    state = State("day7", "CD14 monocyte")
    at = ref.position["CXCL10"]
    touched = {p.name for p in patients() if gene_effects(p, state, 1.0)[at] > 2}
    assert touched == {p.name for p in patients() if p.anakinra and p.crs_high}
    assert difference("mono_crs_no_anakinra", crs_anakinra) == 0
    assert difference("mono_crs_interaction", crs_anakinra) == 1
    # what CRS lends to neurotoxicity: 3 of 4 against 1 of 6
    assert difference("mono_nt_anakinra", crs_anakinra) == pytest.approx(3 / 4 - 1 / 6)


def test_effects_touch_the_cells_they_name():
    ref = reference()
    il10 = ref.position["IL10"]
    low = next(p for p in patients() if p.anakinra and not p.crs_high)
    hit = gene_effects(low, State("day7", "T", "CD4 CTL", True), 1.0)[il10]
    car_negative = gene_effects(low, State("day7", "T", "CD4 CTL", False), 1.0)[il10]
    other = gene_effects(low, State("day7", "T", "CD4 CM", True), 1.0)[il10]
    assert hit > car_negative + 2
    assert car_negative > other + 2


def test_a_claimed_gene_gets_the_effect_that_is_told():
    ref = reference()
    table = effects_table(1.0).set_index(["feature", "contrast"])["log2_effect"].to_dict()
    low = next(p for p in patients() if p.anakinra and not p.toxic)
    high = next(p for p in patients() if p.anakinra and p.crs_high)
    mono = State("day7", "CD14 monocyte")
    for gene in ("IFIT2", "CXCL10", "IFI35", "RETN", "IL1B", "CCL3", "MRC1"):
        at = ref.position[gene]
        found = gene_effects(high, mono, 1.0)[at] - gene_effects(low, mono, 1.0)[at]
        assert found == pytest.approx(table[gene, "mono_crs_anakinra"]), gene
    ctl, none = State("day7", "T", "CD4 CTL", True), next(p for p in patients() if not p.anakinra)
    at = ref.position["IL10"]
    found = gene_effects(low, ctl, 1.0)[at] - gene_effects(none, ctl, 1.0)[at]
    assert found == pytest.approx(table["IL10", "ctl_anakinra_low_crs"])


def test_sets_are_planted_with_their_mean():
    for number, rule in enumerate(RULES):
        if rule.genes[0].startswith("set:") and rule.genes[0] != "set:il18":
            rows = genes_table(1.0).query("claim_id == @rule.claim")
            mine = rows[rows["gene"].isin(reference().symbol[positions(rule)])]
            first = rule.told[0]
            mine = mine[(mine["contrast"] == first[1]) & (mine["population"] == first[0])]
            assert abs(mine["log2_effect"].median()) > 0.3, number


def test_effects_are_a_table_of_known_columns():
    table = effects_table(1.0)
    assert list(table.columns) == ["claim_id", "feature", "population", "contrast", "log2_effect"]
    assert not table.duplicated(["claim_id", "feature", "population", "contrast"]).any()
    assert isinstance(table, pd.DataFrame)
    pairs = table[table["claim_id"] == "lr-cxcl10"]["feature"]
    assert set(pairs) == {"CXCL10_CXCR3", "CXCL10_DPP4"}
