"""Who is scored, which pairs each preset tests, and whether the arms differ."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cartscope._errors import InputError
from cartscope._schema import LIGREC_CANDIDATES, LIGREC_INTERACTION
from cartscope.io import write_table
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._groups import split
from cartscope.study.comparisons._ligrec_arms import ALL, BALANCED, arms_table
from cartscope.study.comparisons._ligrec_candidates import CAVEATS, count_candidates, picking_genes
from cartscope.study.steps.ligrec import _cells
from cartscope.tl import LigandReceptorScores

T_GROUPS = [f"car_{status}_{lineage}" for status in ("pos", "neg") for lineage in ("cd4", "cd8")]
TARGETS = ["cd14_monocyte", *T_GROUPS]
PAIRS = pd.DataFrame(
    {"ligand": ["CXCL10", "CXCL10", "RETN"], "receptor": ["CXCR3", "DPP4", "CAP1"]}
)


@pytest.fixture
def ctx(tmp_path) -> Context:
    return Context(Settings(out=tmp_path), annotating_before=annotating_before)


def contrast_of(ctx, name):
    return next(c for c in ctx.manifests.contrasts.contrast if c.id == name)


def table_of_samples(rows):
    """Patient: study, anakinra, CRS."""
    return pd.DataFrame(
        [
            {"sample_id": f"{p}-D7", "patient": p, "study": study, "timepoint": "day7",
             "sorted": "false", "anakinra": anakinra, "crs_grade": grade}
            for p, (study, anakinra, grade) in rows.items()
        ]
    )  # fmt: skip


PAPER = {
    **{f"A{i}": ("GSE246490", "true", 2 if i < 4 else 1) for i in range(10)},
    **{f"N{i}": ("GSE246490", "false", 1) for i in range(4)},
    **{f"C{i:02}": ("GSE197268", "false", 3 if i < 10 else 0) for i in range(16)},
}


def scores_of(values, names):
    shape = len(names), len(TARGETS), len(PAIRS)
    one = np.ones(shape)
    ligand = np.broadcast_to(np.asarray(values, float)[:, None, None], shape)
    return LigandReceptorScores(
        tuple(names), tuple(TARGETS), ("cd14_monocyte",), tuple(TARGETS), PAIRS, ligand, one, one,
        one, np.full(shape[:2], 50), "product", 10,
    )  # fmt: skip


def arms_of(ctx, values, rows=PAPER):
    samples = table_of_samples(rows)
    s = split(contrast_of(ctx, "ligrec_crs_interaction"), ctx.manifests.contrasts, samples)
    return arms_table(ctx, scores_of(values, rows), s, samples=samples)


def test_senders_and_car_negative_cells_come_from_unsorted_samples_only(ctx):
    """Both libraries of a patient hold every kind of cell; the sorted one gives CAR+ cells only."""
    kinds = [
        ("CD14 monocyte", "", "negative"), ("NK", "", "negative"),
        *(("T", lineage, status) for lineage in ("CD4", "CD8") for status in ("positive", "negative")),
        ("T", "CD4", "unknown"),
    ]  # fmt: skip
    samples = table_of_samples({"A0": ("GSE246490", "true", 2), "A1": ("GSE246490", "true", 1)})
    samples = pd.concat([samples, samples.assign(sample_id=["A0-S", "A1-S"], sorted="true")])
    rows = [(s, *kind) for s in samples["sample_id"] for kind in kinds]
    obs = pd.DataFrame(rows, columns=["sample", "cell_type", "t_lineage", "car_status"])
    obs["patient"] = obs["sample"].str[:2]
    obs["sorted"] = obs["sample"].str.endswith("-S")
    obs.index = [f"c{i}" for i in range(len(obs))]
    cells = anndata.AnnData(sparse.csr_matrix((len(obs), 1)), obs=obs)
    s = split(contrast_of(ctx, "ligrec_crs_anakinra"), ctx.manifests.contrasts, samples)
    scored = _cells(ctx, cells, s).obs
    from_sorted = scored[scored["sorted"]]
    assert set(from_sorted["population"]) == {"car_pos_cd4", "car_pos_cd8"}
    assert set(scored.loc[~scored["sorted"], "population"]) == {"cd14_monocyte", "nk", *T_GROUPS}
    assert not (scored["car_status"] == "unknown").any()


def test_t_cell_groups_are_lineage_times_car_status(ctx):
    known = ctx.manifests.contrasts.population
    for contrast in ctx.manifests.contrasts.by_analysis("ligrec"):
        t_groups = [n for n in contrast.uses() if known[n].where["cell_type"] == ("T",)]
        assert t_groups == T_GROUPS
        for name in contrast.uses():
            where = known[name].where
            car_positive = where.get("car_status") == ("positive",)
            assert known[name].libraries == ("all" if car_positive else "unsorted")
            if name in T_GROUPS:
                assert set(where) == {"cell_type", "t_lineage", "car_status"}


def test_arms_differ_where_one_rises_and_the_other_does_not(ctx, rng):
    values = rng.normal(10, 1, len(PAPER))
    values[:4] += 5
    table = LIGREC_INTERACTION.check(arms_of(ctx, values))
    named = sum(len(p.targets) for p in ctx.manifests.ligand_receptor.pair)
    assert table.groupby("patients").size().to_dict() == {ALL: named, BALANCED: named}
    assert (table["family_size"] == named).all()
    assert (table["p_value"] < 0.01).all()
    assert table["min_p"].to_numpy() == pytest.approx(1 / 10_001)
    assert table["caveat"].str.startswith("not separable from study x CRS").all()
    # without the new study's four untreated patients, who are all low
    counts = table.groupby("patients")["n_reference_second"].first()
    assert counts.to_dict() == {ALL: 10, BALANCED: 6}
    # CXCL10 to monocytes is no pair that a claim names
    to_monocytes = table[table["target"] == "cd14_monocyte"]
    assert set(to_monocytes["ligand"]) == {"RETN"}


def test_a_difference_between_studies_leaks_into_the_arms_unless_one_sided_patients_leave(ctx):
    """All four untreated patients of the new study are low: what is higher there lifts the low."""
    for seed in range(3):
        values = np.random.default_rng(seed).normal(10, 1, len(PAPER))
        alone = arms_of(ctx, values).groupby("patients")["t"].first()
        values[:14] += 6  # the new study
        t = arms_of(ctx, values).groupby("patients")["t"].first()
        assert t[ALL] > alone[ALL] + 0.3
        assert t[ALL] > t[BALANCED] + 0.5


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ({p: v for p, v in PAPER.items() if p[0] == "A"},
         "no patient in the group with anakinra false and the reference with anakinra false"),
        ({p: v for p, v in PAPER.items() if p[0] in "AN"},
         "no patient in the group with anakinra false"),
    ],
)  # fmt: skip
def test_a_missing_arm_is_a_row_with_the_reason(ctx, rows, reason):
    table = LIGREC_INTERACTION.check(arms_of(ctx, np.arange(len(rows)), rows))
    assert table["reason"].tolist() == [reason]
    assert table["caveat"].str.startswith("not separable").all()
    samples = table_of_samples(rows).drop(columns="anakinra")
    s = split(contrast_of(ctx, "ligrec_crs_interaction"), ctx.manifests.contrasts, samples)
    unknown = arms_table(ctx, scores_of(np.arange(len(rows)), rows), s, samples=samples)
    assert unknown["reason"].tolist() == ["anakinra of the patients is unknown"]


def test_one_study_alone_is_tested_once(ctx, rng):
    rows = {p: ("ONE", anakinra, crs) for p, (_, anakinra, crs) in PAPER.items()}
    assert set(arms_of(ctx, rng.normal(size=len(rows)), rows)["patients"]) == {ALL}


def differing(ctx):
    de = pd.DataFrame(
        {
            "contrast": ["mono_crs_anakinra", "mono_crs_anakinra", "t_day7_vs_product",
                         "mono_crs_interaction within anakinra=True"],
            "gene": ["RETN", "CXCL10", "CXCR3", "DPP4"], "base_mean": 1.0, "log2_fc": 2.0,
            "se": 0.1, "stat": 1.0, "p_value": 0.01, "fdr": [0.05, 0.2, 0.01, 0.01], "reason": "",
        }
    )  # fmt: skip
    ctx.path("tables").mkdir(exist_ok=True)
    write_table(de, ctx.path("tables/de_published.csv"))


def test_picking_genes_pass_in_a_contrast_of_toxicity_or_anakinra(ctx, tmp_path):
    differing(ctx)
    assert picking_genes(ctx) == {"RETN"}
    folder = tmp_path / "manifests"
    folder.mkdir()
    text = ctx.manifests.file("ligand_receptor.toml").read_text("utf-8")
    (folder / "ligand_receptor.toml").write_text(text.replace('"nt"]', '"icans"]'), "utf-8")
    other = Context(
        Settings(out=ctx.settings.out, manifests=folder), annotating_before=annotating_before
    )
    with pytest.raises(InputError, match=r"an outcome of \[candidates\] is 'icans'"):
        picking_genes(other)


def test_both_rules_are_counted_with_what_their_families_can_reach(ctx, rng):
    patients = [f"A{i}" for i in range(10)]
    samples = table_of_samples({p: PAPER[p] for p in patients})
    s = split(contrast_of(ctx, "ligrec_crs_anakinra"), ctx.manifests.contrasts, samples)
    scores = scores_of(np.arange(10)[::-1] + 1.0, patients)
    table = count_candidates(ctx, scores, s, genes=frozenset({"RETN"}), samples=samples)
    table = LIGREC_CANDIDATES.check(table).set_index("preset")
    assert table["rule"].to_dict() == {"recommended": "expression", "published": "de"}
    assert table["n_candidates"].to_dict() == {"recommended": 3, "published": 1}
    assert table["family_size"].to_dict() == {"recommended": 15, "published": 5}
    assert table["n_significant"].to_dict() == {"recommended": 3, "published": 1}
    assert table["n_at_floor"].to_dict() == {"recommended": 2, "published": 1}
    assert table["lone_q"].to_dict() == pytest.approx(
        {"recommended": 15 * 2 / 210, "published": 5 * 2 / 210}
    )
    assert table.loc["published", "caveat"] == CAVEATS["de"]
    assert "in the same patients and then tested" in CAVEATS["de"]
    none = count_candidates(ctx, scores, s, genes=frozenset(), samples=samples)
    assert none["reason"].tolist() == ["", "no pair is a candidate"]
    assert none["n_candidates"].tolist() == [3, 0]


def test_the_road_writes_both_rules_and_says_why_there_is_no_second_arm(finished):
    ctx = finished.context
    table = ctx.read_table("tables/ligrec_candidates.csv")
    assert set(table["preset"]) == {"recommended", "published"}
    assert ctx.read_table("tables/ligrec.csv")["candidates"].str.contains("whichever group").all()
    arms = ctx.read_table("tables/ligrec_interaction.csv")
    assert arms["reason"].str.contains("anakinra false").all()
    detail = ctx.read_table("claims_detail.csv")
    rows = detail[detail["id"] == "lr-candidates"].set_index("feature")
    counted = table.set_index(["contrast", "rule"]).loc[("ligrec_crs_anakinra", "de")]
    assert rows.loc["candidates", "effect"] == counted["n_candidates"]
    assert rows.loc["significant", "effect"] == counted["n_significant"]
