"""Tables of signatures: each patient counts once, whatever the number of cells."""

from __future__ import annotations

import pandas as pd
import pytest

from cartscope.io import read_gene_sets
from cartscope.manifest import manifest_dir
from cartscope.study.steps import signatures


def test_the_states_of_t_cells_are_scored_beside_the_study_sets():
    names = {n for path in signatures.SETS for n in read_gene_sets(manifest_dir() / path)}
    assert {"EXHAUSTION", "MEMORY", "CYTOTOXIC"} <= names
    assert {"HALLMARK_INTERFERON_GAMMA_RESPONSE", "REACTOME_INTERLEUKIN_10_SIGNALING"} <= names
    sets = read_gene_sets(manifest_dir() / "gene_sets/t_cell_states.gmt")
    assert list(sets["EXHAUSTION"]) == ["PDCD1", "LAG3", "HAVCR2"]
    assert list(sets["MEMORY"]) == ["CCR7", "SELL", "CD27", "CD28"]


def rows(*values):
    columns = ["signature", "patient", "cell_type", "timepoint", "mean", "n_cells"]
    return pd.DataFrame(values, columns=columns)


def test_a_patient_counts_once_and_with_enough_cells():
    types = rows(
        ("S", "a", "T", "day7", 1.0, 1000),
        ("S", "b", "T", "day7", 3.0, 10),
        ("S", "c", "T", "day7", 99.0, 9),
        ("S", "a", "B", "day7", 5.0, 2),
    )
    subsets = rows(("S", "a", "T", "day7", 2.0, 400), ("S", "b", "T", "day7", 4.0, 50))
    subsets["t_subset"] = ["CD4 CTL", "CD4 CTL"]
    table = signatures.over_patients(types, subsets).set_index(["cell_type", "t_subset"])
    whole = table.loc[("T", "")]
    assert whole["mean"] == 2.0
    assert (whole["n_patients"], whole["n_cells"]) == (2, 1019)
    assert (whole["low"], whole["high"]) == (1.5, 2.5)
    assert table.loc[("T", "CD4 CTL"), "mean"] == 3.0
    few = table.loc[("B", "")]
    assert few["n_patients"] == 0
    assert pd.isna(few["mean"])
    assert few["n_cells"] == 2


@pytest.mark.parametrize("column", ["timepoint", "patient"])
def test_a_cohort_without_the_column_has_rows_all_the_same(column):
    types = rows(("S", "a", "T", "day7", 1.0, 20)).drop(columns=column)
    table = signatures.over_patients(types, types.iloc[:0].assign(t_subset=""))
    assert len(table) == 1
    assert table["mean"].item() == 1.0
