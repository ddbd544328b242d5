"""How each kind of claim holds, on hand-made evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope._schema import CLAIMS_DETAIL
from cartscope.manifest import Claim
from cartscope.study import all_evidence, all_judges
from cartscope.study.judges._calls import decide
from cartscope.study.judges._planted import against_truth, planted_effect
from cartscope.study.judges._verdicts import ON_REAL, ON_SIMULATED
from cartscope.study.ledger._readings import by_reading

NAN = float("nan")


def claim(kind, **values):
    given = {"id": "c", "panel": "1A", "statement": "s", "quantity": "q", "data": "geo", **values}
    return Claim(kind=kind, **given)


def detail(*rows):
    default = {
        "id": "c", "feature": "G", "effect": NAN, "ci_low": NAN, "ci_high": NAN, "p_value": NAN,
        "fdr": NAN, "min_p": NAN, "expected": "up", "planted": NAN, "excludes": NAN, "low": NAN,
        "high": NAN,
    }  # fmt: skip
    inner = ("excludes", "low", "high")
    full = []
    for row in rows:
        values = {**default, **row}
        extra = {name: values.pop(name) for name in inner}
        full.append({**CLAIMS_DETAIL.blank(**values), **extra})
    if not full:
        return CLAIMS_DETAIL.empty().assign(**dict.fromkeys(inner, NAN))
    return pd.DataFrame(full)


def judge(kind, *rows, **values):
    return all_judges()[kind].judge(claim(kind, **values), detail(*rows))


def test_every_kind_has_a_judge():
    assert set(all_judges()) == {"count", "estimate", "test", "rank", "null"}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([{"effect": 1.0, "fdr": 0.01}], "reproduced"),
        ([{"effect": 1.0, "fdr": 0.01}, {"effect": 2.0, "fdr": 0.3}], "direction only"),
        ([{"effect": 1.0, "fdr": 0.3}], "direction only"),
        ([{"effect": -1.0, "fdr": 0.01}], "not reproduced"),
        ([{"effect": -1.0, "fdr": 0.01, "expected": "down"}], "reproduced"),
        ([{"effect": 1.0, "fdr": 0.3, "min_p": 0.2}], "not attainable"),
        ([{"effect": 1.0, "p_value": 0.0095, "fdr": 0.3, "min_p": 0.0095}], "not attainable"),
        ([{"effect": 1.0, "p_value": 0.02, "fdr": 0.3, "min_p": 0.0095}], "direction only"),
        ([{"reason": "too few cells"}], "not testable"),
        ([], "not testable"),
    ],
)
def test_a_test_holds_by_sign_and_q(rows, verdict):
    assert judge("test", *rows).verdict == verdict


def test_closeness_of_q_is_never_a_criterion():
    assert (
        judge("test", {"effect": 1.0, "fdr": 1e-9}, published={"q": 0.0481}).verdict == "reproduced"
    )


def test_k_of_n_and_what_could_not_be_tested():
    found = judge(
        "test", {"effect": 1.0, "fdr": 0.01}, {"effect": -1.0, "fdr": 0.5}, {"reason": "absent"}
    )
    assert found.reason == "holds for 1 of 2; 1 not testable"
    assert found.row_verdicts == ("reproduced", "not reproduced", "not testable")


@pytest.mark.parametrize("kind", ["test", "null", "estimate"])
def test_what_is_said_of_two_contrasts_does_not_hold_by_one(kind):
    inner = {"ci_low": -0.1, "ci_high": 0.1, "excludes": 0.2, "low": 0.0, "high": 2.0}
    row = {"effect": 0.05, "fdr": 0.8 if kind == "null" else 0.01, "contrast": "with", **inner}
    row["expected"] = "none" if kind == "null" else "up"
    held = judge(kind, row, {**row, "contrast": "without"})
    assert held.verdict in ("reproduced", "consistent with none")
    silent = {"reason": "no patient", "contrast": "without"}
    found = judge(kind, row, silent)
    assert found.verdict == "not testable"
    assert found.reason.endswith("; nothing in without; 1 not testable")
    assert found.row_verdicts == (held.row_verdicts[0], "not testable")
    # a row of its own that is missing says so in the reason alone
    assert judge(kind, row, {**silent, "contrast": "with"}).verdict == held.verdict


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"effect": 0.0, "fdr": 0.8}, "uninformative"),
        ({"effect": 0.0, "fdr": 0.8, "ci_low": -0.1, "ci_high": 0.1}, "uninformative"),
        (
            {"effect": 0.0, "fdr": 0.8, "ci_low": -0.1, "ci_high": 0.1, "excludes": 0.2},
            "consistent with none",
        ),
        (
            {"effect": 0.0, "fdr": 0.8, "ci_low": -0.3, "ci_high": 0.1, "excludes": 0.2},
            "uninformative",
        ),
        ({"effect": 0.4, "fdr": 0.01, "excludes": 0.2}, "not reproduced"),
        ({"reason": "no such sample"}, "not testable"),
    ],
)
def test_a_null_needs_an_interval(row, verdict):
    assert judge("null", row).verdict == verdict


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"effect": 1.5, "low": 1.0, "high": 2.0}, "reproduced"),
        ({"effect": 3.0, "low": 1.0, "high": 2.0}, "direction only"),
        ({"effect": 3.0}, "direction only"),
        ({"effect": -3.0}, "not reproduced"),
        ({}, "not testable"),
    ],
)
def test_an_estimate_lies_in_its_range(row, verdict):
    assert judge("estimate", row).verdict == verdict


def test_counts_and_ranks():
    inside, outside = (
        {"effect": 100.0, "low": 95.0, "high": 105.0},
        {"effect": 80.0, "low": 95.0, "high": 105.0},
    )
    assert judge("count", inside).verdict == "reproduced"
    assert judge("count", inside, outside).verdict == "not reproduced"
    assert judge("rank", {"effect": 0.5}).verdict == "reproduced"
    assert judge("rank", {"effect": -0.5}).verdict == "not reproduced"


PLANTED = pd.DataFrame(
    [
        ("c", "G", "pop", "mono", 2.0),
        ("c", "CXCL10_CXCR3", "cd14_monocyte>car_pos_cd4", "lr", 1.5),
        ("c", "IL4", "CD4 CTL", "", 6.0),
    ],
    columns=["claim_id", "feature", "population", "contrast", "log2_effect"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "effect"),
    [
        ({"feature": "G", "contrast": "mono"}, 2.0),
        ({"feature": "G", "contrast": "other"}, 0.0),
        ({"feature": "H", "contrast": "mono"}, 0.0),
        (
            {
                "feature": "CXCL10-CXCR3",
                "contrast": "lr",
                "population": "cd14_monocyte to car_pos_cd4",
            },
            1.5,
        ),
        ({"feature": "CXCL10-CXCR3", "contrast": "lr", "population": "cd14_monocyte to nk"}, 0.0),
        ({"feature": "IL4", "contrast": ""}, 6.0),
    ],
)
def test_planted_effect_is_found_by_feature_contrast_and_population(row, effect):
    assert planted_effect(PLANTED, detail(row).iloc[0]) == effect


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"effect": 1.0, "fdr": 0.01, "planted": 2.0}, "recovered"),
        ({"effect": 1.0, "fdr": 0.5, "planted": 2.0}, "missed"),
        ({"effect": -1.0, "fdr": 0.01, "planted": 2.0}, "missed"),
        ({"effect": 1.0, "fdr": 0.01, "planted": 0.0}, "false call"),
        ({"effect": 1.0, "fdr": 0.5, "planted": 0.0}, "correctly none"),
        ({"effect": 1.0, "fdr": 0.5, "min_p": 0.3, "planted": 2.0}, "not testable"),
    ],
)
def test_on_simulated_data_the_truth_decides(row, verdict):
    table, c = detail(row), claim("test")
    rows, whole, _ = against_truth(c, table, all_judges()["test"].judge(c, table))
    assert rows == [verdict]
    assert whole == verdict


def test_the_worst_mistake_names_the_claim():
    table = detail(
        {"effect": 1.0, "fdr": 0.01, "planted": 2.0},
        {"effect": 1.0, "fdr": 0.01, "planted": 0.0},
        {"effect": 1.0, "fdr": 0.9, "planted": 2.0},
    )
    c = claim("test")
    _, whole, reason = against_truth(c, table, all_judges()["test"].judge(c, table))
    assert whole == "false call"
    assert reason == "1 recovered; 1 missed; 1 false call"


def test_the_word_reproduced_belongs_to_real_data():
    assert "reproduced" in ON_REAL
    assert not set(ON_SIMULATED) & {"reproduced", "not reproduced", "direction only"}


def test_every_table_that_evidence_names_has_a_reader():
    from cartscope.manifest import manifest_dir, read_claims

    tables = {e.table for c in read_claims(manifest_dir() / "claims.toml") for e in c.evidence}
    assert tables <= set(all_evidence())


def test_no_row_of_numbers_is_lost_to_nan():
    assert np.isnan(detail({}).iloc[0]["effect"])


def called(*rows, alpha=0.1):
    return decide(detail(*rows), alpha=alpha)


def share(table, q, how=" corrected"):
    entry = "Treg negative"
    population = entry + how if table == "corrected" else entry
    return {"table": table, "feature": "Treg", "contrast": "k", "entry": entry,
            "population": population, "effect": 1.0, "p_value": q, "fdr": q}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([share("composition", 0.02), share("corrected", 0.05)], [True, True]),
        ([share("composition", 0.02), share("corrected", 0.3)], [False, False]),
        ([share("composition", 0.3), share("corrected", 0.02)], [False, False]),
        (
            [share("composition", 0.02), share("corrected", 0.3, " corrected, clipped in 2")],
            [False, False],
        ),
        ([share("composition", 0.02)], [True]),
        ([share("composition", 0.02), {**share("corrected", NAN), "effect": NAN}], [True, False]),
    ],
)
def test_a_share_is_called_with_and_without_missed_car_t_cells(rows, expected):
    assert called(*rows)["called"].tolist() == expected


def gene_set(table, q):
    return {"table": table, "feature": "IL-10", "contrast": "k", "effect": 1.0, "p_value": q,
            "fdr": q}  # fmt: skip


def test_a_gene_set_is_called_by_patients_too():
    """Prerank permutes genes: genes that move together give it p-values near 0 by chance."""
    both = called(gene_set("gsea", 1e-9), gene_set("gene_set_scores", 0.01))
    assert both["called"].all()
    denied = called(gene_set("gsea", 1e-9), gene_set("gene_set_scores", 0.4))
    assert not denied["called"].any()
    assert denied["but"].tolist() == ["q = 0.4 in gene_set_scores", ""]
    alone = called(gene_set("gsea", 1e-9))
    assert alone["but"].tolist() == ["not asked of patients: no result in gene_set_scores"]


def test_many_questions_of_one_claim_are_corrected_for():
    """24 subsets in four families at 0.1: one is called in every third claim without a difference."""
    rows = [{"feature": f"S{i}", "effect": 1.0, "p_value": 0.5, "fdr": 0.9} for i in range(23)]
    found = called({"feature": "CTL", "effect": 1.0, "p_value": 0.0095, "fdr": 0.095}, *rows)
    assert not found["called"].any()
    assert found["fdr_claim"][0] == pytest.approx(24 * 0.0095)
    assert found["but"][0] == "0.23 over the claim's own rows"


def test_a_claim_with_every_row_below_the_level_is_called_as_before():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.uniform(0, 0.09, 12)
        rows = [
            {"feature": f"G{i}", "effect": 1.0, "p_value": x, "fdr": x} for i, x in enumerate(p)
        ]
        assert called(*rows)["called"].all()


def test_the_reason_says_who_denies():
    found = judge("test", gene_set("gsea", 0.01), gene_set("gene_set_scores", 0.4))
    assert found.row_verdicts == ("direction only", "direction only")
    assert found.row_reasons[0] == "the sign agrees, q = 0.01, but q = 0.4 in gene_set_scores"


def test_genes_named_beside_a_ranking_are_judged_as_tests():
    rows = [{"effect": 3.0}, {"effect": 1.0, "p_value": 0.2, "fdr": 0.4}]
    assert judge("rank", *rows).row_verdicts == ("reproduced", "direction only")


def test_rows_of_one_feature_are_told_apart():
    rows = [
        {"feature": "Treg", "population": "Treg negative", "effect": 0.1},
        {"feature": "Treg", "population": "Treg negative corrected", "effect": 0.2},
        {"feature": "CD8", "population": "CD8 negative", "effect": 0.3},
    ]
    text = judge("estimate", *rows).computed
    assert text == "Treg (Treg negative) 0.1; Treg (Treg negative corrected) 0.2; CD8 0.3"


READINGS = (
    {"where": "results", "says": "more", "direction": "up"},
    {"where": "discussion", "says": "less", "direction": "down"},
)


def read_by(kind="test", *, effect=1.0, **values):
    c = claim(kind, evidence=({"table": "de", "contrasts": ("k",)},), **values)

    def judge_it(one):
        expected = one.evidence[0].direction or "up"
        row = {"effect": effect, "fdr": 0.01, "p_value": 0.01, "expected": expected}
        return all_judges()[kind].judge(one, detail(row))

    return by_reading(c, judge_it(c), judge=judge_it)


def test_where_the_paper_contradicts_itself_both_readings_are_judged():
    found = read_by(readings=READINGS)
    assert found.verdict == "inconsistent in the source"
    assert found.reason == (
        "results: more - reproduced (holds for 1 of 1); "
        "discussion: less - not reproduced (holds for 0 of 1)"
    )


def test_readings_of_one_verdict_are_no_contradiction_here():
    both = ({**READINGS[0], "contrasts": ("k",)}, {**READINGS[0], "where": "abstract"})
    found = read_by(readings=both)
    assert found.verdict == "reproduced"
    assert "by either reading: results: more - reproduced" in found.reason


def test_readings_that_no_table_tells_apart_are_both_given():
    says = ({"where": "text", "says": "66%"}, {"where": "Table 2", "says": "73%"})
    empty = claim("count", readings=says)
    found = by_reading(empty, all_judges()["count"].judge(empty, detail()), judge=None)
    assert found.verdict == "inconsistent in the source"
    assert found.reason.startswith("text: 66%; Table 2: 73%; ")


def test_what_cannot_be_tested_stays_so_whatever_the_reading():
    assert read_by(effect=NAN, readings=READINGS).verdict == "not testable"


def test_one_reading_is_no_contradiction():
    with pytest.raises(ValueError, match="readings holds one reading; a contradiction needs two"):
        claim("test", readings=READINGS[:1])


def test_contradictions_of_the_source_are_in_the_manifest():
    from cartscope.manifest import manifest_dir, read_claims

    found = {c.id for c in read_claims(manifest_dir() / "claims.toml") if c.readings}
    assert found == {
        "il10-with-anakinra", "ip-il4-il10-gsea", "toxicity-rates", "toxicity-timing", "expansion",
    }  # fmt: skip
