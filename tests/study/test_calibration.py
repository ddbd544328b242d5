"""What was measured of the tests reaches the claims and the report."""

from __future__ import annotations

import pytest

from cartscope.study import Settings
from cartscope.study._calibration import measured, off_caveats, sentence, worst
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.report._calibration import calibration_summary, calibration_table

HEAD = """
[measured]
cartscope = "0.1.0"
command = ["python benchmarks/calibration.py table"]
bounds = "95%"

[[level]]
name = "patients"
title = "null cohorts"
cohorts = 500
first_seed = 1000
what = "sums"

[[level]]
name = "cells"
title = "whole null cohorts"
cohorts = 20
first_seed = 1000
what = "cells"
"""
ROWS = """\
level,test,table,engine,contrast,what,alpha,cohorts,hits,rate,low,high,expected,verdict,note
patients,"DE, DESeq2",de,deseq2,mono_crs_anakinra,a named feature,0.05,500,25,0.05,0.03,0.07,0.05,holds,
patients,"DE, DESeq2",de,deseq2,mono_crs_anakinra,every feature,0.05,500,0,0.0423,0.041,0.0434,0.05,too few,
patients,"DE, DESeq2",de,deseq2,mono_crs_anakinra,"any feature, q",0.1,500,155,0.31,0.27,0.35,0.1,too many,
patients,"DE, DESeq2",de,deseq2,mono_crs_anakinra,"a named feature, q",0.1,500,2,0.004,0.0005,0.0144,0.1,holds,
cells,"DE, DESeq2",de,deseq2,mono_crs_anakinra,"any feature, q",0.1,20,19,0.95,0.75,0.99,0.1,too many,
patients,"DE, limma-voom",de,limma_voom,mono_crs_anakinra,"any feature, q",0.1,500,50,0.1,0.08,0.13,0.1,holds,
patients,"composition, exact U",composition,,composition_crs_no_anakinra,a named feature,0.05,500,21,0.042,0.026,0.063,0.042,holds,
patients,"composition, propeller",composition,propeller,composition_crs_no_anakinra,a named feature,0.05,500,99,0.2,0.16,0.24,0.05,too many,
"""


@pytest.fixture
def context(tmp_path):
    def make(preset="recommended"):
        folder = tmp_path / "manifests"
        folder.mkdir(exist_ok=True)
        (folder / "calibration.toml").write_text(HEAD)
        (folder / "calibration.csv").write_text(ROWS)
        settings = Settings(out=tmp_path / "out", manifests=folder, preset=preset)
        return Context(settings, annotating_before=annotating_before)

    return make


def claim(ctx, name):
    return next(c for c in ctx.manifests.claims if c.id == name)


def test_a_claim_that_rests_on_a_test_that_is_off_says_so(context):
    said = off_caveats(context(), claim(context(), "monocyte-anakinra-only"))
    assert said == [
        "the test rejects too often where nothing differs: DE, DESeq2, mono_crs_anakinra: any "
        "feature with q < 0.1 in 31% of 500 null cohorts (95% 27% to 35%; at most 10% if it held); "
        "a feature named before in 2 (95% 0.05% to 1.4%)"
    ]


def test_the_engine_of_the_preset_is_the_one_that_counts(context):
    ctx = context("published")
    assert off_caveats(ctx, claim(ctx, "monocyte-anakinra-only")) == []
    rows = measured(ctx, "de", "mono_crs_anakinra")
    assert {r.test for r in rows} == {"DE, limma-voom"}


def test_a_variant_that_judges_no_claim_is_no_caveat(context):
    ctx = context()
    assert {r.engine for r in measured(ctx, "composition", "composition_crs_no_anakinra")} == {""}
    assert off_caveats(ctx, claim(ctx, "composition-treg")) == []


def test_the_level_with_the_most_cohorts_speaks(context):
    ctx = context()
    row = worst(ctx.manifests.calibration.row)
    assert (row.test, row.cohorts) == ("composition, propeller", 500)
    assert worst([r for r in ctx.manifests.calibration.row if r.verdict == "holds"]) is None
    assert "4.2%" in sentence(ctx.manifests.calibration, ctx.manifests.calibration.row[1])


def test_the_report_shows_what_is_off_first(context):
    ctx = context()
    table = calibration_table(ctx)
    verdicts = [row[0] for row in table.rows]
    assert verdicts == sorted(verdicts, key=lambda v: not v.startswith("off"))
    assert len(table.rows) == 5
    first = dict(zip((h for h, _ in table.headings), table.rows[0], strict=True))
    assert first["test"] == "DE, DESeq2"
    assert first["any, q"] == "0.310 (0.270-0.350)"
    summary = calibration_summary(ctx)
    assert (summary["n"], summary["n_off"]) == (5, 3)
    assert summary["tests_off"] == ["DE, DESeq2", "composition, propeller"]
