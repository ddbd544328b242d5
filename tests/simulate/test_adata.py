from __future__ import annotations

import numpy as np
import pytest

from cartscope._errors import InputError
from cartscope.simulate import simulate_adata


def test_counts_and_log_share_their_sparsity():
    adata = simulate_adata(["Patient6-D7"], cells=60)
    counts = adata.layers["counts"]
    assert counts.dtype.kind == "u"
    assert np.array_equal(counts.indices, adata.X.indices)
    total = np.asarray(np.expm1(adata.X).sum(1)).ravel()
    np.testing.assert_allclose(total, 1e4, rtol=1e-3)
    assert adata.var_names.is_unique
    assert adata.obs_names[0].startswith("Patient6-D7_")


def test_by_default_a_patient_in_three_libraries():
    adata = simulate_adata(cells=40, sound_only=True)
    assert adata.obs["patient"].nunique() == 1
    assert adata.obs["sample"].nunique() == 3
    assert not adata.obs["true_doublet"].any()
    assert set(adata.obs["true_damage"]) == {""}


def test_null_leaves_the_design_alone():
    a = simulate_adata(["Patient4-D7"], cells=50)
    b = simulate_adata(["Patient4-D7"], cells=50, null=True)
    assert a.obs["crs_grade"].iloc[0] == b.obs["crs_grade"].iloc[0] == 2


def test_unknown_libraries_are_named():
    with pytest.raises(
        InputError, match=r"sample_ids: \['Nobody'\] are not in the simulated study"
    ):
        simulate_adata(["Nobody"])
    with pytest.raises(InputError, match="cells: 0 cells cannot be drawn"):
        simulate_adata(cells=0)
