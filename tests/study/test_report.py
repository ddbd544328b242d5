"""What the report says beside the results, and what makes it print."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.report._cohort import cohort_table, treatment_table
from cartscope.study.report._methods import CITATIONS, methods_text
from cartscope.study.report._sections import estimability_table
from cartscope.study.report._table import short_names


def context(out, preset="recommended"):
    return Context(Settings(out=out, preset=preset), annotating_before=annotating_before)


@pytest.fixture
def cohort(tmp_path):
    """Two arms; nobody untreated with a high grade; one patient without a grade."""
    ctx = context(tmp_path)
    rows = [
        ("X-1", "true", 1, "false"), ("X-2", "true", 3, "true"), ("X-10", "true", 2, "true"),
        ("N-1", "false", 0, "false"), ("N-2", "false", np.nan, "unknown"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["patient", "anakinra", "crs_grade", "steroid"])
    table = table.rename(columns={"steroid": "steroid_before_sample"}).assign(
        sample_id=table["patient"], path="x.h5", study="GSE246490", timepoint="day7", nt_grade=0,
        tocilizumab_before_sample="false",
    )  # fmt: skip
    extra = table.iloc[[0]].assign(sample_id="X-1-product", timepoint="infusion_product")
    ctx.write_table("tables/samples.csv", pd.concat([table, extra]))
    return ctx


def as_frame(table):
    return pd.DataFrame(table.rows, columns=[heading for heading, _ in table.headings])


def test_every_cell_of_the_design_is_shown_with_who_is_in_it(cohort):
    cells = as_frame(cohort_table(cohort)).set_index(["anakinra", "CRS"])
    assert cells.loc[("false", ">= 2"), ["patients", "who"]].tolist() == ["0", "nobody"]
    assert cells.loc[("true", ">= 2"), ["patients", "who"]].tolist() == ["2", "X-2, -10"]
    assert cells.loc[("false", "unknown"), "who"] == "N-2"
    assert ("true", "unknown") not in cells.index
    assert cells.loc[("true", "<= 1"), ["day7", "infusion product"]].tolist() == ["1", "1"]


def test_treatment_stands_against_grade_and_arm(cohort):
    table = as_frame(treatment_table(cohort)).set_index(["anakinra", "CRS", "steroid"])
    assert table.loc[("true", ">= 2", "true"), "who"] == "X-2, -10"
    assert table.loc[("true", "<= 1", "false"), "patients"] == "1"


def test_a_cohort_without_treatments_has_no_table_of_them(tmp_path):
    ctx = context(tmp_path)
    row = {"sample_id": "a", "path": "x.h5", "patient": "A", "timepoint": "day7", "crs_grade": 2}
    ctx.write_table("tables/samples.csv", pd.DataFrame([row]))
    assert treatment_table(ctx) is None
    assert as_frame(cohort_table(ctx))["who"].tolist() == ["A"]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["P-2", "P-10", "P-1", "P-2"], "P-1, -2, -10"),
        (["S-A-1", "S-B-1", "S-B-2"], "S-A-1, S-B-1, -2"),
        (["bob", "al"], "al, bob"),
        ([""], ""),
    ],
)
def test_names_are_shortened_where_their_beginning_repeats(names, short):
    assert short_names(names) == short


@pytest.mark.parametrize(
    ("preset", "says", "not_so"),
    [
        ("recommended", ["DESeq2", "median absolute deviations", "30", "2,000 variable genes"], "regressed"),
        ("published", ["limma-voom", "total_counts and pct_counts_mt regressed out", "18"], "median abs"),
    ],
)  # fmt: skip
def test_the_methods_are_those_of_the_preset(tmp_path, preset, says, not_so):
    text = " ".join(paragraph for _, paragraph in methods_text(context(tmp_path, preset)))
    assert all(word in text for word in says)
    assert not_so not in text
    assert "{" not in text


def test_the_methods_follow_a_changed_threshold(tmp_path, quick_manifests):
    own = tmp_path / "own" / "params"
    own.mkdir(parents=True)
    changed = (quick_manifests / "params" / "recommended.toml").read_text("utf-8")
    changed = changed.replace("min_genes = { value = 200", "min_genes = { value = 321")
    (own / "recommended.toml").write_text(changed, "utf-8")
    settings = Settings(out=tmp_path, manifests=tmp_path / "own")
    ctx = Context(settings, annotating_before=annotating_before)
    assert "at least 321 genes" in dict(methods_text(ctx))["Cells"]


def test_citations_are_dois():
    for _, doi in CITATIONS:
        assert re.fullmatch(r"10\.\d{4,9}/[\w.()/-]+", doi)


def test_headings_of_tables_repeat_on_paper(finished):
    page = (finished.context.settings.out / "report.html").read_text("utf-8")
    heads = re.findall(r"<thead>.*?</thead>", page, re.S)
    # browsers repeat no header that holds a form control
    assert len(heads) > 8
    assert not any("<button" in head for head in heads)
    assert "<dt>Cells</dt>" in page


def test_what_is_said_alike_of_many_terms_stands_once(tmp_path):
    ctx = context(tmp_path)
    about = {"design": "~ group", "contrast": "group", "n_patients": -1, "patients": "", "id": "a"}
    away = "added to the design, it takes the contrast away"
    rows = [
        {**about, "kind": "contrast", "name": "group", "patients": "P-1, P-2",
         "note": "weight 0: P-3, P-4"},
        {**about, "kind": "not separable", "name": "study", "note": away},
        {**about, "kind": "not separable", "name": "group x study", "note": away},
        {**about, "kind": "cell", "name": "group=group", "note": ""},
    ]  # fmt: skip
    ctx.write_table("tables/estimability.csv", pd.DataFrame(rows))
    table = as_frame(estimability_table(ctx))
    assert table["term"].tolist() == ["group", "study; group x study"]
    assert table["patients"].tolist() == ["P-1, -2", ""]
    assert table["note"].tolist() == ["weight 0: P-3, -4", away]
