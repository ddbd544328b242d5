"""Patients on other sides: every test of a contrast is done again, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cartscope._errors import InputError
from cartscope.manifest import manifest_dir, read_contrasts
from cartscope.study import all_steps
from cartscope.study.comparisons._groups import GROUP, REFERENCE, split
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.redo._permuted import SAMPLES, permuted_sides, position, rerun, with_sides

MANIFEST = read_contrasts(manifest_dir() / "contrasts.toml")


def contrast(name):
    return next(c for c in MANIFEST.contrast if c.id == name)


def cohort() -> pd.DataFrame:
    """4 low without anakinra in one study, 2 low and 3 high in the other; 3 and 2 with."""
    rows = [("N", "GSE246490", False, 1)] * 4 + [("C", "GSE197268", False, 1)] * 2
    rows += [("C", "GSE197268", False, 3)] * 3
    rows += [("A", "GSE246490", True, 0)] * 3 + [("A", "GSE246490", True, 2)] * 2
    table = pd.DataFrame(rows, columns=["kind", "study", "anakinra", "crs_grade"])
    table["patient"] = [f"{kind}{i}" for i, kind in enumerate(table.pop("kind"))]
    return table.assign(
        sample_id=table["patient"], timepoint="day7", sorted=False, nt_grade=np.nan
    ).astype({"crs_grade": float})


def test_patients_change_sides_with_patients_of_their_study_and_arm_only():
    samples = cohort()
    s = split(contrast("mono_crs_no_anakinra"), MANIFEST, samples)
    made = permuted_sides(s, samples, n=1000)
    sides = list(made)
    assert (made.exact, made.n, made.strata) == (True, 10, ("study", "anakinra"))
    # the new study's untreated patients are all low: nobody there can change sides
    assert all(one[f"N{i}"] == REFERENCE for one in sides for i in range(4))
    assert len({tuple(sorted(one.items())) for one in sides}) == 10
    assert all(sum(v == GROUP for v in one.values()) == 3 for one in sides)


def test_a_stratum_that_decides_the_sides_is_left_out():
    samples = cohort()
    s = split(contrast("ctl_anakinra_low_crs"), MANIFEST, samples)
    made = permuted_sides(s, samples)
    assert (made.strata, made.n, made.exact) == (("study",), 35, True)  # 3 against 4


def test_the_sample_table_puts_every_patient_where_wanted():
    samples = cohort()
    before = samples.copy()
    for name in ("mono_crs_no_anakinra", "ctl_anakinra_low_crs", "mono_crs_interaction"):
        s = split(contrast(name), MANIFEST, samples)
        for sides in permuted_sides(s, samples, n=20):
            changed = with_sides(samples, s, contrasts=MANIFEST, sides=sides)
            again = split(contrast(name), MANIFEST, changed)
            for side in (GROUP, REFERENCE):
                assert set(again.members(side)) == {p for p, at in sides.items() if at == side}
    pd.testing.assert_frame_equal(samples, before)


def test_pairs_within_patients_and_impossible_sides_are_refused():
    samples = cohort()
    twice = pd.concat([samples, samples.assign(timepoint="infusion_product")], ignore_index=True)
    twice["sample_id"] = [f"s{i}" for i in range(len(twice))]
    s = split(contrast("t_day7_vs_product"), MANIFEST, twice)
    with pytest.raises(InputError, match="stand on both sides"):
        permuted_sides(s, twice)
    s = split(contrast("mono_crs_anakinra"), MANIFEST, samples)
    sides = dict(next(iter(permuted_sides(s, samples))), A9="nowhere")
    with pytest.raises(InputError, match="give 'group' or 'reference' for each of"):
        with_sides(samples, s, contrasts=MANIFEST, sides=sides)
    whole = contrast("mono_crs_anakinra").model_copy(update={"outcome": "anakinra"})
    with pytest.raises(InputError, match="decides which samples there are"):
        with_sides(
            samples,
            replace(s, contrast=whole),
            contrasts=MANIFEST,
            sides=dict.fromkeys([*s.members(GROUP), *s.members(REFERENCE)], GROUP),
        )


@pytest.fixture(scope="module")
def context(finished):
    return finished.context


def test_the_studys_own_sides_give_the_studys_own_tables(context):
    samples = context.read_table(SAMPLES)
    chosen = contrast("mono_crs_anakinra")
    s = split(chosen, MANIFEST, samples)
    own = {p: side for side in (GROUP, REFERENCE) for p in s.members(side)}
    tables = rerun(context, chosen.id, own)
    for artifact in ("tables/de.csv", "tables/gsea.csv", "tables/gene_set_scores.csv"):
        theirs = context.read_table(artifact)
        theirs = theirs[theirs["contrast"] == chosen.id].reset_index(drop=True)
        columns = ["contrast", "p_value", "fdr"]
        pd.testing.assert_frame_equal(tables[artifact][columns], theirs[columns], rtol=1e-9)


def test_other_sides_give_other_tables_and_leave_the_run_alone(context):
    samples = context.read_table(SAMPLES)
    files = {p: p.stat().st_mtime_ns for p in context.path("tables").iterdir()}
    s = split(contrast("ligrec_crs_anakinra"), MANIFEST, samples)
    own = {p: side for side in (GROUP, REFERENCE) for p in s.members(side)}
    other = next(one for one in permuted_sides(s, samples, n=500) if one != own)
    mine = rerun(context, s.contrast.id, own)["tables/ligrec.csv"]
    theirs = rerun(context, s.contrast.id, other)["tables/ligrec.csv"]
    assert set(theirs["contrast"]) == {s.contrast.id}
    # who is a candidate does not depend on the sides, p does
    assert len(mine) == len(theirs)
    assert not np.allclose(mine["p_value"].dropna(), theirs["p_value"].dropna())
    assert files == {p: p.stat().st_mtime_ns for p in context.path("tables").iterdir()}


def test_preset_values_can_be_changed_for_a_rerun_alone(context):
    run = InMemory(context, preset={"cycling": {"min_cells": 7}})
    assert run.preset.values("cycling")["min_cells"] == 7
    assert context.preset.values("cycling")["min_cells"] == 50


def test_steps_that_write_files_cannot_be_run_in_memory(context):
    run = InMemory(context)
    for name in ("pseudobulk", "annotate"):
        with pytest.raises(InputError, match="nothing but tables"):
            run.run([all_steps()[name]])
    with pytest.raises(InputError, match="no such contrasts"):
        InMemory(context, contrasts=["sorcery"])
    with pytest.raises(InputError, match="step"):
        rerun(context, "mono_crs_anakinra", {}, steps=["sorcery"])


def test_position_counts_the_observed_one_once():
    assert position(2.0, [2.0, -2.0, 1.0, 0.0], exact=True)["p_value"] == 0.5
    assert position(2.0, [1.0, 0.0, -1.0], exact=False)["p_value"] == 0.25
    assert position(2.0, [1.0, np.nan, -1.0], exact=False)["p_value"] == 0.5
    assert np.isnan(position(np.nan, [1.0], exact=False)["p_value"])
