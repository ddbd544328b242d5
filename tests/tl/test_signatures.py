from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cartscope as cs
from cartscope._errors import MissingKeyError


def test_a_signature_marks_its_cells(cells):
    cs.tl.signatures(cells, {"t": ["CD3D", "CD3E"], "b": ["CD79A", "MS4A1"]}, prefix="sig_")
    means = cells.obs.groupby("truth")[["sig_t", "sig_b"]].mean()
    assert means["sig_t"].idxmax() == "T"
    assert means["sig_b"].idxmax() == "B"


def test_signature_is_score_genes(cells):
    cs.tl.signatures(cells, {"score": ["CD3D", "gene7"]}, random_state=3)
    one = cs.tl.score_genes(cells, ["CD3D", "gene7"], random_state=3, copy=True)
    np.testing.assert_array_equal(cells.obs["score"], one.obs["score"])


def test_table_has_a_mean_per_group(cells):
    cells.obs["one"] = np.arange(cells.n_obs, dtype=float)
    table = cs.tl.signature_table(cells, ["one"], by=["sample", "cell_type"])
    by_hand = cells.obs.groupby(["sample", "cell_type"], observed=True)["one"].mean()
    ours = table.set_index(["sample", "cell_type"])["mean"]
    pd.testing.assert_series_equal(ours.sort_index(), by_hand.sort_index(), check_names=False)
    assert table["n_cells"].sum() == cells.n_obs


def test_small_groups_are_left_out(cells):
    cells.obs["one"] = 1.0
    table = cs.tl.signature_table(cells, ["one"], by=["sample"], min_cells=600)
    assert table["sample"].tolist() == ["blood"]


def test_missing_columns_raise(cells):
    with pytest.raises(MissingKeyError, match=r"'absent'.*run tl.signatures first"):
        cs.tl.signature_table(cells, ["absent"], by=["sample"])
    with pytest.raises(MissingKeyError, match=r"'absent'\] is missing"):
        cs.tl.signature_table(cells, [], by=["absent"])


def test_copy_leaves_the_input_alone(cells):
    before = cells.obs.copy()
    assert "t" in cs.tl.signatures(cells, {"t": ["CD3D"]}, copy=True).obs
    pd.testing.assert_frame_equal(cells.obs, before)
