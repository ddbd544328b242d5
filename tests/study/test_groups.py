"""Who is compared with whom, on the study's own geometry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cartscope import manifest as m
from cartscope.study.comparisons._groups import GROUP, REFERENCE, in_population, is_sorted, split

MANIFEST = m.read_contrasts(m.manifest_dir() / "contrasts.toml")


def contrast(name):
    return next(c for c in MANIFEST.contrast if c.id == name)


@pytest.fixture
def samples():
    """Six patients with anakinra, two of them high; four without, all unsorted day 7."""
    rows = []
    for i in range(6):
        rows.append((f"A{i}", "GSE246490", "true", 3.0 if i < 2 else 1.0, "day7", "false"))
        rows.append((f"A{i}", "GSE246490", "true", 3.0 if i < 2 else 1.0, "day7", "true"))
    for i in range(4):
        rows.append((f"C{i}", "GSE197268", "false", 2.0 if i < 3 else np.nan, "day7", "false"))
        rows.append(
            (f"C{i}", "GSE197268", "false", 2.0 if i < 3 else np.nan, "infusion_product", "false")
        )
    columns = ["patient", "study", "anakinra", "crs_grade", "timepoint", "sorted"]
    table = pd.DataFrame(rows, columns=columns)
    table["nt_grade"] = 0.0
    table.insert(0, "sample_id", [f"s{i}" for i in range(len(table))])
    return table


def test_both_sides_and_only_unsorted_libraries(samples):
    s = split(contrast("mono_crs_anakinra"), MANIFEST, samples)
    assert s.members(GROUP) == ("A0", "A1")
    assert s.members(REFERENCE) == ("A2", "A3", "A4", "A5")
    assert s.reason == ""
    assert len(s.side) == 6


def test_car_positive_cells_come_from_sorted_libraries_too(samples):
    s = split(contrast("cycling_car_pos_anakinra"), MANIFEST, samples)
    assert len(s.side) == 12


def test_a_patient_without_a_grade_is_in_neither_and_is_named(samples):
    s = split(contrast("mono_crs_no_anakinra"), MANIFEST, samples)
    assert s.members(GROUP) == ("C0", "C1", "C2")
    assert s.members(REFERENCE) == ()
    assert s.unplaced == ("C3",)
    assert s.reason == "no patient in the reference; grades unknown for 1 patients"


def test_a_table_without_grades_knows_none(samples):
    s = split(contrast("mono_crs_anakinra"), MANIFEST, samples.drop(columns="crs_grade"))
    assert s.reason.endswith("grades unknown for 6 patients")
    assert len(s.unplaced) == 6


def test_no_sample_at_all_says_what_was_looked_for(samples):
    s = split(contrast("ip_cd4_crs_anakinra"), MANIFEST, samples)
    assert s.reason == "no sample has timepoint infusion_product, anakinra True"


def test_any_of_two_toxicities_makes_the_group_and_both_low_the_reference(samples):
    samples.loc[samples["patient"] == "A5", "nt_grade"] = 4.0
    s = split(contrast("cycling_car_neg_anakinra"), MANIFEST, samples)
    assert s.members(GROUP) == ("A0", "A1", "A5")
    samples.loc[samples["patient"] == "A4", "nt_grade"] = np.nan
    s = split(contrast("cycling_car_neg_anakinra"), MANIFEST, samples)
    assert s.members(REFERENCE) == ("A2", "A3")


def test_restriction_leaves_high_grades_out(samples):
    new = samples[samples["patient"].isin(["C2", "C3"])].assign(study="GSE246490", crs_grade=1.0)
    table = pd.concat([samples[samples["study"] == "GSE246490"], new])
    s = split(contrast("ctl_anakinra_low_crs"), MANIFEST, table)
    assert s.members(GROUP) == ("A2", "A3", "A4", "A5")
    assert s.members(REFERENCE) == ("C2", "C3")


def test_within_patient_split_goes_by_time_point(samples):
    s = split(contrast("t_day7_vs_product"), MANIFEST, samples)
    assert s.within_patient
    assert s.side_by_timepoint() == {"day7": GROUP, "infusion_product": REFERENCE}


@pytest.mark.parametrize("yes", [True, "True", "true"])
def test_truth_is_read_however_it_is_spelt(samples, yes):
    samples["anakinra"] = samples["anakinra"].map({"true": yes, "false": False})
    s = split(contrast("mono_crs_anakinra"), MANIFEST, samples)
    assert len(s.members(GROUP)) == 2


def test_unknown_sorting_counts_as_unsorted():
    table = pd.DataFrame({"sorted": pd.array([True, False, pd.NA], dtype="boolean")})
    assert is_sorted(table).tolist() == [True, False, False]
    assert is_sorted(pd.DataFrame(index=[0, 1])).tolist() == [False, False]


def test_population_of_a_missing_column_is_empty():
    obs = pd.DataFrame({"cell_type": ["T", "T"], "sorted": [False, True]})
    t, ctl = MANIFEST.population["t"], MANIFEST.population["car_pos_cd4_ctl"]
    assert in_population(obs, t).tolist() == [True, False]
    assert in_population(obs, ctl).tolist() == [False, False]
