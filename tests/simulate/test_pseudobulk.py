from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from cartscope._errors import InputError
from cartscope.simulate import simulate_pseudobulk


def log_cpm(adata) -> np.ndarray:
    x = adata.layers["counts"]
    return np.log2((x + 0.5) / x.sum(1, keepdims=True) * 1e6)


def test_planted_changes_are_in_the_counts():
    adata = simulate_pseudobulk("cd14_monocyte", cells=200, seed=1)
    arm = adata[adata.obs["anakinra"].to_numpy()]
    high = (arm.obs["crs_grade"] >= 2).to_numpy()
    assert high.sum() == 4
    y = log_cpm(arm)
    for gene, expected in (("CXCL10", 2.8), ("IFIT2", 2.8), ("MRC1", 2.2), ("IL1B", -2.2)):
        j = arm.var_names.get_loc(gene)
        found = y[high, j].mean() - y[~high, j].mean()
        assert abs(found - expected) < 1.3, gene
        truth = arm.layers["true_log2"][high, j].mean() - arm.layers["true_log2"][~high, j].mean()
        assert truth == pytest.approx(expected, abs=1e-6)


def test_null_cohorts_hold_their_level():
    p = []
    for seed in range(6):
        adata = simulate_pseudobulk("cd14_monocyte", seed=seed, null=True)
        assert not adata.layers["true_log2"].any()
        group = (adata.obs["crs_grade"] >= 2).to_numpy()
        mine = ~adata.obs["anakinra"].to_numpy() & (adata.obs["study"] == "GSE197268").to_numpy()
        y = log_cpm(adata)[:, ::40]
        p += [
            mannwhitneyu(y[mine & group, j], y[mine & ~group, j]).pvalue for j in range(y.shape[1])
        ]
    share = np.mean(np.array(p) <= 0.05)
    assert 0.02 < share < 0.08


def test_missed_car_cells_make_car_negative_cells_cycle_where_expansion_was_strong():
    genes = ["MKI67", "TOP2A", "NUSAP1", "CENPF", "TPX2"]

    def gap(detection: float) -> float:
        found = []
        for seed in range(4):
            adata = simulate_pseudobulk(
                "car_neg_cd8", seed=seed, null=True, cells=300, detection=detection
            )
            high = (adata.obs["crs_grade"] >= 2).to_numpy()
            y = log_cpm(adata)[:, [adata.var_names.get_loc(g) for g in genes]].mean(1)
            found.append(y[high].mean() - y[~high].mean())
        return float(np.mean(found))

    assert abs(gap(1.0)) < 0.25
    assert gap(0.7) > gap(1.0) + 0.2


def test_the_same_seed_the_same_cohort():
    a, b = (simulate_pseudobulk("nk", seed=4) for _ in range(2))
    assert np.array_equal(a.X, b.X)
    assert not np.array_equal(a.X, simulate_pseudobulk("nk", seed=5).X)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"population": "astrocyte"}, "population: 'astrocyte' cannot be drawn; choose from"),
        ({"population": "nk", "detection": 0.0}, "detection: 0.0"),
        ({"population": "nk", "cells": 0}, "cells: 0"),
        ({"population": "nk", "effect": -2}, "effect: -2 is not a strength"),
    ],
)
def test_impossible_arguments(wrong, match):
    population = wrong.pop("population")
    with pytest.raises(InputError, match=match):
        simulate_pseudobulk(population, **wrong)
