"""Where an arm spans two studies its patients are compared within each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope import stats
from cartscope._errors import InputError, ManifestError
from cartscope.io import write_table
from cartscope.manifest import read_contrasts
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._groups import split
from cartscope.study.comparisons._strata import strata_of
from cartscope.study.panels import _panels
from cartscope.study.redo._label_tests import _rank_statistic
from cartscope.study.redo._patient_values import compare, share_families
from cartscope.study.report._cohort import contrast_table

PAPER = {
    **{f"A{i}": ("GSE246490", "true", 2 if i < 4 else 1) for i in range(10)},
    **{f"N{i}": ("GSE246490", "false", 1) for i in range(4)},
    **{f"C{i:02}": ("GSE197268", "false", 3 if i < 10 else 0) for i in range(16)},
}


def table_of_samples(rows):
    return pd.DataFrame(
        [
            {"sample_id": f"{p}-D7", "path": "", "patient": p, "study": study, "timepoint": "day7",
             "sorted": "false", "anakinra": anakinra, "crs_grade": grade, "nt_grade": grade}
            for p, (study, anakinra, grade) in rows.items()
        ]
    )  # fmt: skip


@pytest.fixture
def ctx(tmp_path):
    return Context(Settings(out=tmp_path), annotating_before=annotating_before)


def strata(ctx, contrast, samples, **options):
    manifest = ctx.manifests.contrasts
    chosen = next(c for c in manifest.contrast if c.id == contrast)
    return strata_of(ctx, split(chosen, manifest, samples), samples, **options)


def test_an_arm_of_two_studies_is_compared_within_each(ctx):
    samples = table_of_samples(PAPER)
    found = strata(ctx, "ligrec_crs_no_anakinra", samples)
    assert found.name == "study"
    assert set(found.of) == {p for p, (_, anakinra, _) in PAPER.items() if anakinra == "false"}
    assert {found.of[p] for p in ("N0", "C00")} == {"GSE246490", "GSE197268"}
    assert strata(ctx, "ligrec_crs_no_anakinra", samples, preset="published") is None
    assert strata(ctx, "ligrec_crs_anakinra", samples) is None  # one study


def test_one_study_or_none_known_is_all_patients_together(ctx):
    one = table_of_samples({p: v for p, v in PAPER.items() if v[0] == "GSE197268"})
    assert strata(ctx, "ligrec_crs_no_anakinra", one) is None
    without = table_of_samples(PAPER).drop(columns="study")
    assert strata(ctx, "ligrec_crs_no_anakinra", without) is None
    samples = table_of_samples(PAPER)
    samples.loc[samples["patient"] == "C01", "study"] = ""
    assert strata(ctx, "ligrec_crs_no_anakinra", samples).of["C01"] == "unknown"


def test_strata_that_no_sample_tells_are_said(ctx, caplog):
    without = table_of_samples(PAPER).drop(columns="study")
    assert strata(ctx, "ligrec_crs_no_anakinra", without) is None
    assert "no sample has study: patients are not compared within it" in caplog.text
    write_table(without, ctx.path("samples.csv"))
    ctx.path("tables").mkdir(exist_ok=True)
    write_table(without, ctx.path("tables/samples.csv"))
    notes = {row[0]: row[-1] for row in contrast_table(ctx).rows}
    assert "no sample has study" in notes["ligrec_crs_no_anakinra"]
    assert "no sample has" not in notes["ligrec_crs_anakinra"]


def test_the_stratum_is_that_of_the_samples_compared(ctx):
    day7 = table_of_samples(PAPER)
    product = day7.assign(timepoint="infusion_product", study="", sample_id=day7["patient"] + "-IP")
    found = strata(ctx, "ligrec_crs_no_anakinra", pd.concat([product, day7], ignore_index=True))
    assert found.of["C01"] == "GSE197268"
    twice = day7[day7["patient"] == "C01"].assign(study="another", sample_id="C01-again")
    both = pd.concat([day7, twice], ignore_index=True)
    with pytest.raises(InputError, match="GSE197268 and another in one contrast, but patients are"):
        strata(ctx, "ligrec_crs_no_anakinra", both)


def test_every_contrast_whose_arm_spans_both_studies_has_strata_or_a_design_with_study(ctx):
    samples = table_of_samples(PAPER)
    manifest = ctx.manifests.contrasts
    wide = []
    for c in manifest.contrast:
        s = split(c, manifest, samples.assign(timepoint=(c.samples.get("timepoint") or ["x"])[0]))
        there = {p for side in ("group", "reference") for p in s.members(side)}
        if s.within_patient or len({PAPER[p][0] for p in there}) < 2 or c.interaction:
            continue
        if set(c.analyses) - {"de"}:
            assert c.strata == ("study",), c.id
            wide.append(c.id)
        elif not c.id.endswith("without_study"):
            assert "study" in str(c.design), c.id
    assert len(wide) >= 5


def test_influence_and_permutations_ask_within_strata_too(ctx):
    samples = table_of_samples(PAPER)
    rng = np.random.default_rng(0)
    arm = [p for p, v in PAPER.items() if v[1] == "false"]
    high = np.array([PAPER[p][2] >= 2 for p in arm])
    study = np.array([PAPER[p][0] for p in arm])
    values = rng.uniform(0.1, 0.5, len(arm)) + np.where(study == "GSE246490", 0.3, 0.0)
    shares = pd.DataFrame(
        {
            "contrast": "cycling_car_pos_no_anakinra", "patient": arm, "population": "CAR+ T cells",
            "side": np.where(high, "group", "reference"), "car_status": "positive",
            "fraction": values, "n": 0, "n_cells": 500,
        }
    )  # fmt: skip
    ctx.path("tables").mkdir(exist_ok=True)
    write_table(shares, ctx.path("tables/cycling_patients.csv"))
    write_table(samples, ctx.path("tables/samples.csv"))
    (family,) = share_families(ctx, "cycling", ["cycling_car_pos_no_anakinra"])
    place = [family.patients.index(p) for p in arm]
    assert (family.strata[place] == study).all()
    within = stats.van_elteren(values[high], values[~high], strata=(study[high], study[~high]))
    (row,) = compare(family)
    assert row["p_value"] == pytest.approx(within.p_value)
    (left,) = compare(family.without("N0"))  # who had nobody to be compared with
    assert left["p_value"] == pytest.approx(within.p_value)
    every = stats.permute(
        values,
        high.astype(float),
        lambda v, g: _rank_statistic(v[:, None], study)(g[None, :] > 0)[0, 0],
        strata=study,
        n_permutations=10_000,
    )
    assert every.exact
    assert every.p_value == pytest.approx(within.p_value)


def test_strata_of_a_model_of_genes_alone_are_refused(ctx, tmp_path):
    text = ctx.manifests.file("contrasts.toml").read_text("utf-8")
    wrong = text.replace(
        'id = "mono_nt_no_anakinra"', 'id = "mono_nt_no_anakinra"\nstrata = ["study"]'
    )
    path = tmp_path / "contrasts.toml"
    path.write_text(wrong, "utf-8")
    with pytest.raises(ManifestError, match="a de contrast has a design instead"):
        read_contrasts(path)
    path.write_text(text.replace('strata = ["study"]', 'strata = ["patient"]'), "utf-8")
    with pytest.raises(ManifestError, match=r"strata names \['patient'\], within which nobody"):
        read_contrasts(path)


def test_a_panel_says_within_what_and_how_many_are_compared():
    row = pd.Series({"p_value": 0.31, "fdr": 0.7, "family_size": 18})
    assert _panels.say_p(row) == "p = 0.31\nq = 0.7 of 18 tests"
    within = pd.concat([row, pd.Series({"within": "study", "n_group": 10.0, "n_reference": 6.0})])
    assert _panels.say_p(within) == "p = 0.31\nq = 0.7 of 18 tests\nwithin study: 10 v 6"
    assert _panels.say_p(pd.Series({**within, "within": ""})) == _panels.say_p(row)
