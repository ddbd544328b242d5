"""Engine limma_voom against R's limma 3.54 and edgeR 3.40: stored answers in r/."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cartscope._errors import InputError
from cartscope.tl import differential_expression, fit_differential_expression
from cartscope.tl.de._lowess import lowess
from cartscope.tl.de._tmm import tmm_factors
from cartscope.tl.de._voom import inverse_trigamma, linear_fit, moderate

R = Path(__file__).parent / "r"

PLAIN = ["two_groups", "covariates", "interaction", "paired"]


def check(table, r, prefix, rtol):
    np.testing.assert_allclose(table["log2_fc"], r[f"{prefix}_lfc"], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(table["se"], r[f"{prefix}_se"], rtol=rtol)
    np.testing.assert_allclose(table["stat"], r[f"{prefix}_stat"], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(table["p_value"], r[f"{prefix}_p"], rtol=10 * rtol, atol=1e-9)
    np.testing.assert_allclose(table["fdr"], r[f"{prefix}_padj"], rtol=10 * rtol, atol=1e-9)


@pytest.mark.parametrize("name", PLAIN)
def test_equals_r(name, cases, fits, answers):
    fit, r = fits(name, "limma_voom"), answers(f"limma_{name}")
    for prefix, contrast in cases[name].contrasts.items():
        if prefix != "age":
            check(fit.test(contrast).set_index("gene"), r, prefix, 1e-5)


def test_blocking_equals_r(cases, fits, answers):
    fit = fits("blocked", "limma_voom", block="patient")
    samples = pd.read_csv(R / "limma_blocked_samples.csv")
    assert fit.state.correlation == pytest.approx(samples["correlation"][0], abs=1e-3)
    table = fit.test(("time", "day7", "product")).set_index("gene")
    check(table, answers("limma_blocked"), "time", 1e-3)


@pytest.mark.parametrize("name", [*PLAIN, "blocked"])
def test_norm_factors_and_prior_equal_r(name, fits):
    options = {"block": "patient"} if name == "blocked" else {}
    state = fits(name, "limma_voom", **options).state
    r = pd.read_csv(R / f"limma_{name}_samples.csv")
    np.testing.assert_allclose(state.norm_factors, r["norm_factor"], rtol=1e-9)
    rtol = 1e-4 if name == "blocked" else 1e-8
    assert state.prior_freedom == pytest.approx(r["df_prior"][0], rel=rtol)
    assert state.prior_variance == pytest.approx(r["s2_prior"][0], rel=rtol)


def test_exact_contrasts_are_to_be_had(pseudobulk, fits):
    # R approximates the error of a combination of coefficients, and documents it
    approximate = fits("interaction", "limma_voom").test([0, 0, 1, 1])
    exact = fits("interaction", "limma_voom", r_faithful=False).test([0, 0, 1, 1])
    np.testing.assert_allclose(exact["log2_fc"], approximate["log2_fc"])
    ratio = (exact["se"] / approximate["se"]).dropna()
    assert ratio.min() < 0.999
    assert ratio.median() == pytest.approx(1, abs=0.02)
    turned = pseudobulk("interaction")
    turned.obs["anakinra"] = pd.Categorical(turned.obs["anakinra"], ["yes", "no"])
    direct = differential_expression(
        turned,
        design="~ anakinra * group",
        contrast=("group", "high", "low"),
        engine="limma_voom",
    )
    np.testing.assert_allclose(direct["se"], exact["se"], rtol=1e-9)


def test_genes_without_counts_say_so(fits):
    table = fits("two_groups", "limma_voom").test(("group", "high", "low")).set_index("gene")
    assert table.loc["gene900", "reason"] == "no counts"
    assert np.isnan(table.loc["gene900", "fdr"])


def test_bad_blocks_are_refused(pseudobulk):
    data = pseudobulk("blocked")
    with pytest.raises(InputError, match="block is 'donor', but obs has no such column"):
        fit_differential_expression(data, design="~ time", engine="limma_voom", block="donor")
    data.obs["own"] = data.obs_names
    with pytest.raises(InputError, match="every sample has its own 'own'"):
        fit_differential_expression(data, design="~ time", engine="limma_voom", block="own")
    data.obs["own"] = [None, *data.obs_names[1:]]
    with pytest.raises(InputError, match=r"obs\['own'\] has missing values"):
        fit_differential_expression(data, design="~ time", engine="limma_voom", block="own")


def test_tmm_undoes_a_few_strong_genes():
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(4, 1, 2000))
    counts = rng.poisson(np.vstack([mean, mean, 2 * mean]))
    counts[1, :20] *= 400  # half of sample 1's counts come from 20 genes
    library = counts.sum(axis=1) * tmm_factors(counts)
    np.testing.assert_allclose(library / library[0], [1, 1, 2], rtol=0.02)
    assert np.prod(tmm_factors(counts)) == pytest.approx(1)


def test_tmm_of_equal_samples_is_one():
    counts = np.tile(np.arange(1, 50), (3, 1))
    np.testing.assert_allclose(tmm_factors(counts), 1)


def test_lowess_follows_a_line_past_outliers():
    x = np.linspace(0, 10, 500)
    y = 3 - 0.5 * x
    bent = y.copy()
    bent[::25] += 50
    np.testing.assert_allclose(lowess(x, bent, fraction=0.5), y, atol=1e-6)


def test_weighted_fit_equals_normal_equations(rng):
    x = np.column_stack([np.ones(12), rng.normal(size=(12, 2))])
    y, w = rng.normal(size=(5, 12)), rng.uniform(0.5, 2, (5, 12))
    fit = linear_fit(y, x, w)
    for gene in range(5):
        gram = np.linalg.inv((x.T * w[gene]) @ x)
        np.testing.assert_allclose(fit.betas[gene], gram @ (x.T * w[gene]) @ y[gene])
        residual = y[gene] - x @ fit.betas[gene]
        assert fit.sigma2[gene] == pytest.approx((w[gene] * residual**2).sum() / 9)


def test_correlated_fit_equals_generalised_least_squares(rng):
    x = np.column_stack([np.ones(8), np.tile([0.0, 1], 4)])
    correlation = np.kron(np.eye(4), [[1, 0.4], [0.4, 1]])
    y, w = rng.normal(size=(3, 8)), rng.uniform(0.5, 2, (3, 8))
    fit = linear_fit(y, x, w, correlation=correlation)
    for gene in range(3):
        root = np.diag(1 / np.sqrt(w[gene]))
        inverse = np.linalg.inv(root @ correlation @ root)
        gram = np.linalg.inv(x.T @ inverse @ x)
        np.testing.assert_allclose(fit.betas[gene], gram @ x.T @ inverse @ y[gene])
        np.testing.assert_allclose(fit.covariance[gene], gram)


def test_moderation_recovers_the_prior():
    rng = np.random.default_rng(0)
    prior = 2.0 * 8 / rng.chisquare(8, 50_000)
    seen = prior * rng.chisquare(5, 50_000) / 5
    freedom, variance = moderate(seen, 5)
    assert freedom == pytest.approx(8, rel=0.1)
    assert variance == pytest.approx(2, rel=0.03)
    assert moderate(rng.chisquare(5, 50_000) / 5 * np.ones(50_000), 5)[0] > 200


@pytest.mark.parametrize("x", [1e-4, 0.3, 1, 7, 1e4])
def test_inverse_trigamma(x):
    from scipy.special import polygamma

    assert inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-8)


@pytest.mark.reference
def test_real_pseudobulk_equals_r(kang):
    counts, obs, read = kang
    r = read("cd14_paired_limma_voom")
    table = differential_expression(AnnData(counts[r.index], obs=obs), engine="limma_voom")
    np.testing.assert_allclose(table["log2_fc"], r["logFC"], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(table["se"], r["SE_post"], rtol=1e-8)
    np.testing.assert_allclose(table["p_value"], r["P.Value"], rtol=1e-8)
    np.testing.assert_allclose(table["fdr"], r["adj.P.Val"], rtol=1e-8)
