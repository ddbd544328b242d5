"""What claims become without each patient, over samples of patients and by both presets."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from cartscope import tl
from cartscope._schema import CLAIMS_DETAIL, INFLUENCE
from cartscope.manifest import Claim, Evidence
from cartscope.study import all_evidence, all_judges
from cartscope.study.comparisons._dynamics import Dynamics
from cartscope.study.comparisons._groups import GROUP, REFERENCE
from cartscope.study.comparisons._pseudobulk import pseudobulk_artifact
from cartscope.study.comparisons._weighted import WeightedStatistic, lead
from cartscope.study.judges._verdicts import ON_SIMULATED
from cartscope.study.ledger._influence import GENES_ONLY, NOTHING, add_influence
from cartscope.study.redo import _refits
from cartscope.study.redo._patient_values import Family, compare, pair_families, share_families
from cartscope.study.steps import ligrec
from cartscope.study.steps.claims import STEP

NAN = float("nan")
INNER = dict.fromkeys(("excludes", "low", "high"), NAN)


def claim(kind="test", **values):
    given = {"id": "c", "panel": "1A", "statement": "s", "quantity": "q", "data": "geo", **values}
    return Claim(kind=kind, **given)


def detail(*rows):
    default = {"id": "c", "table": "composition", "contrast": "k", "expected": "up"}
    numbers = {"ci_low": NAN, "ci_high": NAN, "p_value": NAN, "fdr": NAN, "min_p": NAN}
    full = [{**CLAIMS_DETAIL.blank(**{**default, **numbers, **r}), **INNER} for r in rows]
    return pd.DataFrame(full).assign(planted=NAN)


def left_out(*rows):
    numbers = dict.fromkeys(("effect", "ci_low", "ci_high", "p_value", "fdr", "min_p"), NAN)
    default = {"table": "composition", "contrast": "k", **numbers}
    return pd.DataFrame([INFLUENCE.blank(**{**default, **r}) for r in rows])


def said(one, kind="test", *, without):
    c = claim(kind)

    def weigh(table):
        return all_judges()[kind].judge(c, table)

    return add_influence(one, left_out(*without), found=weigh(one), weigh=weigh)


def row(**values):
    return {"feature": "Treg", "entry": "Treg", "effect": 0.2, "fdr": 0.01, **values}


def test_the_patient_who_decides_is_named():
    table = detail(row())
    text = said(
        table,
        without=[
            {"entry": "Treg", "patient_left_out": "P1", "effect": 0.19, "fdr": 0.02},
            {"entry": "Treg", "patient_left_out": "P2", "effect": 0.05, "fdr": 0.4},
        ],
    )
    assert text == (
        "without P2: Treg 0.2 becomes 0.05, q 0.01 becomes 0.4; the verdict becomes direction only "
        "(all signs agree; q < 0.1 for 0 of 1)"
    )
    one = table.iloc[0]
    assert (one["patient_left_out"], one["effect_without"], one["fdr_without"]) == ("P2", 0.05, 0.4)
    assert one["verdict_without"] == "direction only"


def test_who_changes_the_verdict_comes_before_who_moves_the_effect_most():
    table = detail(row())
    text = said(
        table,
        without=[
            {"entry": "Treg", "patient_left_out": "P1", "effect": 0.9, "fdr": 0.02},
            {"entry": "Treg", "patient_left_out": "P2", "effect": 0.15, "fdr": 0.4},
            {"entry": "Treg", "patient_left_out": "P3", "effect": 0.16, "fdr": 0.4},
        ],
    )
    assert text.startswith("without P2: ")
    assert text.endswith("it also changes without P3")
    assert table.iloc[0]["patient_left_out"] == "P1"


def test_nobody_changes_the_verdict():
    changed = {"entry": "Treg", "patient_left_out": "P1", "effect": 0.19, "fdr": 0.02}
    assert said(detail(row()), without=[changed]).endswith("no single patient changes the verdict")


def test_rows_that_are_not_done_again_are_named():
    """Prerank is not: a verdict without a patient rests on its q with everybody."""
    gsea = row(feature="IL-10", entry="SET", table="gsea")
    scores = row(feature="IL-10", entry="SET", table="gene_set_scores")
    changed = {"table": "gene_set_scores", "entry": "SET", "patient_left_out": "P1",
               "effect": 0.19, "fdr": 0.02}  # fmt: skip
    text = said(detail(gsea, scores), without=[changed])
    assert text.endswith("no single patient changes the verdict; with gsea as with everybody")


def test_without_numbers_of_patients_it_says_so():
    assert said(detail(row()), without=[]) == GENES_ONLY
    assert said(detail(row(effect=NAN, reason="too few cells")), without=[]) == NOTHING


def test_a_patient_without_whom_nothing_can_be_tested():
    gone = {"entry": "Treg", "patient_left_out": "P1", "reason": "nobody is left on one side"}
    text = said(detail(row()), without=[gone])
    assert text.startswith("without P1: nobody is left on one side; the verdict becomes not test")


@pytest.mark.parametrize(
    ("kind", "before", "after", "verdict"),
    [
        ("null", {"effect": 0.0, "fdr": 0.8}, {"effect": 0.5, "fdr": 0.01}, "not reproduced"),
        ("rank", {"effect": 0.4}, {"effect": -0.1}, "not reproduced"),
        ("estimate", {"effect": 0.4}, {"effect": -0.1}, "not reproduced"),
    ],
)
def test_every_kind_is_judged_again(kind, before, after, verdict):
    expected = "none" if kind == "null" else "up"
    table = detail({"feature": "G", "entry": "G", "expected": expected, **before})
    text = said(table, kind, without=[{"entry": "G", "patient_left_out": "P", **after}])
    assert f"the verdict becomes {verdict}" in text


def test_families_are_tested_as_the_tables_are():
    rng = np.random.default_rng(0)
    patients = [f"P{i}" for i in range(9)]
    rows = [
        {"sample_or_patient": p, "population": t, "car_status": "", "n": 0, "n_cells": 100,
         "fraction": 0.1 * i + rng.random()}
        for i, p in enumerate(patients) for t in ("A", "B", "C")
    ]  # fmt: skip
    levels = {p: GROUP if i > 4 else REFERENCE for i, p in enumerate(patients)}
    table = tl.compare_fractions(pd.DataFrame(rows), levels, contrast=(GROUP, REFERENCE))
    values = pd.DataFrame(rows).pivot_table(
        index="sample_or_patient", columns="population", values="fraction"
    )
    family = Family(
        table="composition", contrast="k", entries=("A", "B", "C"), patients=tuple(patients),
        in_group=np.array([levels[p] == GROUP for p in patients]), numbers=values.to_numpy(),
    )  # fmt: skip
    found = pd.DataFrame(compare(family))
    for ours, theirs in (
        ("effect", "shift"), ("ci_low", "shift_low"), ("ci_high", "shift_high"),
        ("p_value", "p_value"), ("fdr", "fdr"), ("min_p", "min_p"),
    ):  # fmt: skip
        np.testing.assert_allclose(found[ours], table[theirs], rtol=1e-12)
    fewer = pd.DataFrame(compare(family.without("P8")))
    left = pd.DataFrame(rows)[lambda t: t["sample_or_patient"] != "P8"]
    levels.pop("P8")
    again = tl.compare_fractions(left, levels, contrast=(GROUP, REFERENCE))
    np.testing.assert_allclose(fewer["fdr"], again["fdr"])


@pytest.mark.parametrize("table", ["composition", "corrected", "cycling"])
def test_with_everybody_shares_give_their_table(finished, table):
    ctx = finished.context
    there = ctx.read_table(f"tables/{table}.csv")
    contrasts = [c for c in there["contrast"].unique() if c.endswith("_anakinra")]
    assert contrasts
    compared = 0
    for family in share_families(ctx, table, contrasts):
        for found in compare(family):
            name = there["population"] + " " + there["car_status"]
            known = there[(there["contrast"] == family.contrast) & (name == found["entry"])]
            assert len(known) == 1
            for ours, theirs in (("effect", "shift"), ("p_value", "p_value"), ("fdr", "fdr")):
                np.testing.assert_allclose(found[ours], known[theirs].iloc[0], rtol=1e-9)
            compared += 1
    assert compared > 0


def test_with_everybody_pairs_give_their_table(finished):
    ctx = finished.context
    there = ctx.read_table("tables/ligrec.csv")
    there = there[(there["family"] == "primary") & there["p_value"].notna()]
    there = there[there["contrast"] == "ligrec_crs_anakinra"]
    (family,) = pair_families(ctx, ["ligrec_crs_anakinra"])
    found = pd.DataFrame(compare(family))
    assert len(found) == len(there) > 0
    np.testing.assert_allclose(sorted(found["fdr"]), sorted(there["fdr"]), rtol=1e-9)


NT = "car_neg_cd8_nt_anakinra"


def genes_of(ctx, n=3):
    table = ctx.read_table("tables/de.csv")
    table = table[(table["contrast"] == NT) & table["fdr"].notna()]
    return tuple(table.sort_values("base_mean", ascending=False)["gene"].head(n))


def test_genes_are_fitted_again_without_the_patient(finished):
    ctx = finished.context
    genes = genes_of(ctx)
    asked = claim(features=genes), Evidence(table="de", contrasts=(NT,))
    rows = pd.DataFrame(all_evidence()["de"].without(ctx, [asked]))
    assert len(rows) == 10 * len(genes)
    assert set(rows["how"]) == {"model fitted again"}
    patient = rows["patient_left_out"].iloc[0]
    pdata = anndata.read_h5ad(ctx.path(pseudobulk_artifact("car_neg_cd8")))
    pdata = pdata[pdata.obs["patient"].astype(str) != patient].copy()
    samples = ctx.read_table("tables/samples.csv").set_index("patient")
    high = samples["nt_grade"].reindex(pdata.obs["patient"].astype(str)).to_numpy() >= 2
    pdata.obs["group"] = pd.Categorical(np.where(high, GROUP, REFERENCE), [REFERENCE, GROUP])
    every = ctx.read_table("tables/de.csv")
    tested = every.loc[every["contrast"] == NT, "gene"]
    table = tl.differential_expression(
        pdata[:, tested].copy(),
        design="~ group",
        contrast=("group", GROUP, REFERENCE),
        engine=ctx.preset.values("de")["engine"],
    ).set_index("gene")
    here = rows[rows["patient_left_out"] == patient].set_index("entry")
    np.testing.assert_allclose(here["effect"], table.loc[here.index, "log2_fc"], rtol=1e-6)
    np.testing.assert_allclose(here["fdr"], table.loc[here.index, "fdr"], rtol=1e-6)


def test_a_model_within_patients_is_fitted_on_fewer_genes():
    """A coefficient per patient: all genes would take seconds a patient."""
    counts = np.random.default_rng(0).poisson(np.geomspace(1, 500, 1000), (6, 1000))
    rows = anndata.AnnData(
        counts.astype(float), var=pd.DataFrame(index=map("G{}".format, range(1000)))
    )
    found = _refits.thinned(rows, ["G0", "G501"])
    assert {"G0", "G501"} <= set(found.var_names)
    assert _refits.THINNED <= found.n_vars <= _refits.THINNED + 2
    level = found.X.sum(axis=0)
    assert level.min() < 50
    assert level.max() > 2000


def test_every_claim_with_a_result_names_a_patient(finished):
    ctx = finished.context
    claims = ctx.read_table("claims.csv").set_index("id")
    known = claims[claims["computed"] != ""]
    assert len(known) > 10
    assert known["influence"].str.startswith("without ").all(), known["influence"].tolist()
    assert (claims.loc[claims["computed"] == "", "influence"] == NOTHING).all()
    patients = ctx.read_table("tables/influence.csv")["patient_left_out"]
    assert set(patients) == set(ctx.read_table("tables/samples.csv")["patient"])


def test_an_empty_number_says_why(finished):
    claims = finished.context.read_table("claims.csv")
    numbers = ("published", "ci_low", "min_p", "detectable_effect")
    for one in claims[claims["computed"] != ""].itertuples():
        for name in numbers:
            value = getattr(one, name)
            if value == "" or (isinstance(value, float) and np.isnan(value)):
                assert name in one.blanks, (one.id, name, one.blanks)
    assert (claims.loc[claims["computed"] == "", "blanks"] != "").all()


def test_genes_have_rows_by_each_preset(finished):
    ctx = finished.context
    asked = claim(features=genes_of(ctx)), Evidence(table="de", contrasts=(NT,))
    effects = {}
    for preset in ("recommended", "published"):
        rows = all_evidence()["de"].by_preset(ctx, *asked, preset=preset)
        table = ctx.read_table(f"tables/de_{preset}.csv").set_index(["contrast", "gene"])
        np.testing.assert_allclose(rows["effect"], table.loc[NT].loc[rows["entry"], "log2_fc"])
        effects[preset] = rows["effect"].to_numpy()
    assert (effects["recommended"] != effects["published"]).all()


def test_the_ledger_has_both_presets(finished):
    ctx = finished.context
    claims = ctx.read_table("claims.csv").set_index("id")
    one = claims.loc["nt-cd8-proliferation-de"]
    assert one["by_recommended"] == f"{one['verdict']}: {one['reason']}"
    assert one["by_published"].partition(":")[0] in ON_SIMULATED
    detail = ctx.read_table("claims_detail.csv")
    row = detail[detail["id"] == "nt-cd8-proliferation-de"].iloc[0]
    assert row["effect_recommended"] == row["effect"]
    assert np.isfinite(row["effect_published"])
    assert row["verdict_published"] in ON_SIMULATED
    assert claims.loc["cycling-car-negative", "by_published"] == ""
    assert "run again with --preset" in claims.loc["cycling-car-negative", "blanks"]


def test_a_lead_and_its_interval_over_patients():
    rng = np.random.default_rng(1)
    totals = rng.normal([5.0, 3.0, 1.0], 0.5, (12, 3))
    value = lead(totals, np.ones((12, 3)), np.array([True, False, False]))
    names = tuple(f"P{i:02d}" for i in range(12))
    statistic = WeightedStatistic(patients=names, value=value)
    low, high = statistic.interval("x", random_state=0)
    assert low < statistic.whole() < high
    assert 1.0 < low < 2.0 < high < 3.0
    assert (low, high) == statistic.interval("x", random_state=0)
    assert (low, high) != statistic.interval("x", random_state=1)
    without = statistic.without_each()
    means = np.delete(totals, 4, axis=0).mean(axis=0)
    np.testing.assert_allclose(without["P04"], means[0] - means[1:].max())


def test_two_patients_have_no_interval():
    statistic = WeightedStatistic(patients=("a", "b"), value=lambda w: float(w.sum()))
    assert np.isnan(statistic.interval("x", random_state=0)).all()


def dynamics(changes_group, changes_reference, n=8):
    """Patients whose subsets change by what is planted, and a little noise."""
    rng = np.random.default_rng(2)
    start = np.array([0.4, 0.3, 0.2, 0.1])
    shares = np.array(
        [
            [start + rng.normal(0, 0.005, 4), start + change + rng.normal(0, 0.005, 4)]
            for change in (changes_group, changes_reference)
            for _ in range(n)
        ]
    )
    names = tuple(f"P{i:02d}" for i in range(2 * n))
    return Dynamics(("A", "B", "C", "D"), names, np.repeat([GROUP, REFERENCE], n), shares)


def test_the_same_dynamics_correlate_and_opposite_ones_do_not():
    change = np.array([-0.2, 0.1, 0.05, 0.05])
    alike, opposite = dynamics(change, change), dynamics(change, -change)
    assert alike.correlation().whole() > 0.95
    assert opposite.correlation().whole() < -0.95
    low, high = opposite.difference("A").interval("d", random_state=0)
    assert low < -0.4 < high
    low, high = alike.difference("A").interval("d", random_state=0)
    assert low < 0 < high


def test_a_patient_with_one_time_point_counts_there():
    found = dynamics(np.array([-0.2, 0.1, 0.05, 0.05]), np.zeros(4))
    found.shares[0, 1] = np.nan
    means = found.means(np.ones(16))
    np.testing.assert_allclose(means[0, 0], found.shares[:8, 0].mean(axis=0))
    np.testing.assert_allclose(means[0, 1], found.shares[1:8, 1].mean(axis=0))


def test_every_reader_tells_what_happens_without_a_patient():
    silent = {n for n, e in all_evidence().items() if e.without is None and e.weighted is None}
    assert silent == {"gsea"}, "prerank permutes genes; the row per patient stands beside it"
    assert "tables/influence.csv" in STEP.needs


def test_the_genes_that_pick_pairs_stay_without_a_patient(finished, monkeypatch):
    """A run of the pairs' contrast alone had no genes to pick with: no pair without anybody."""
    ctx, seen = finished.context, []

    def picking(run):
        seen.append(run.manifests.contrasts)
        return frozenset()

    monkeypatch.setattr(ligrec, "picking_genes", picking)
    claim = next(c for c in ctx.manifests.claims if c.id == "lr-candidates")
    rows = list(all_evidence()["ligrec_candidates"].without(ctx, [(claim, claim.evidence[0])]))
    patients = {r["patient_left_out"] for r in rows}
    assert len(seen) == len(patients) == 10
    for manifest in seen:
        assert [c.id for c in manifest.by_analysis("ligrec")] == ["ligrec_crs_anakinra"]
        assert manifest.by_analysis("de") == ctx.manifests.contrasts.by_analysis("de")
