"""Whether arms vary alike, on planted dispersions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cartscope._errors import InputError
from cartscope.tl import dispersion_by_group, fit_differential_expression


def cohort(times, seed=0, genes=600):
    """Negative binomial counts of two arms; dispersions of the second are ``times`` as large."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(["a", "b"], [14, 10])
    obs = pd.DataFrame({"arm": arm, "group": ["h", "l"] * 12}, index=[f"p{i}" for i in range(24)])
    mean = np.exp(rng.normal(5, 1, genes)) * np.exp(rng.normal(0, 0.4, 24))[:, None]
    size = 1 / (0.1 * np.exp(rng.normal(0, 0.3, genes)) * np.where(arm == "b", times, 1)[:, None])
    return AnnData(rng.negative_binomial(size, size / (size + mean)), obs=obs)


@pytest.mark.parametrize("times", [1, 2, 4])
def test_planted_ratio_comes_back(times):
    fit = fit_differential_expression(cohort(times), design="~ arm * group")
    multiple = dispersion_by_group(fit, "arm")
    assert multiple.index.tolist() == ["a", "b"]
    assert multiple["b"] / multiple["a"] == pytest.approx(times, rel=0.15)


def test_one_fit_of_arms_that_differ_calls_too_much_in_one_and_too_little_in_the_other():
    # why the study's plan looks before it tests within an arm on a shared fit
    fit = fit_differential_expression(cohort(4, genes=3000), design="~ arm * group", cooks=False)
    level = {
        arm: (fit.test(("group", "l", "h", {"arm": arm}))["p_value"] < 0.05).mean()
        for arm in ("a", "b")
    }
    assert level["b"] > 0.1
    assert level["a"] < 0.03


def test_too_few_genes_with_dispersion_give_no_answer():
    data = cohort(1)[:, :10].copy()
    assert (
        dispersion_by_group(fit_differential_expression(data, design="~ arm"), "arm").isna().all()
    )


def test_refusals():
    data = cohort(1)[:, :50].copy()
    limma = fit_differential_expression(data, design="~ arm", engine="limma_voom")
    with pytest.raises(InputError, match="'limma_voom' has no dispersions; fit with engine="):
        dispersion_by_group(limma, "arm")
    with pytest.raises(InputError, match=r"factor.*'group'.*'arm'"):
        dispersion_by_group(fit_differential_expression(data, design="~ arm"), "group")
