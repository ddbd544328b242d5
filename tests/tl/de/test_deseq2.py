"""Engine deseq2 against R's DESeq2 1.38.3: stored answers in r/, made by r/answers.R."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse
from scipy.optimize import minimize

from cartscope._errors import InputError
from cartscope._schema import DE
from cartscope.tl import differential_expression, fit_differential_expression

NAMES = ["two_groups", "few", "large", "covariates", "interaction", "arms", "paired"]


def jaccard(first, second, alpha=0.05):
    a, b = set(first.index[first < alpha]), set(second.index[second < alpha])
    return len(a & b) / len(a | b)


def nearly_all(values, limit, share=0.99):
    assert np.nanquantile(values, share) < limit


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_r(name, cases, fits, answers):
    fit, r = fits(name), answers(f"deseq2_{name}")
    # R leaves genes whose regression goes round in circles where its optimiser happens to stop
    settled = (r["iterations"] < 100) | r["iterations"].isna()
    assert settled.mean() > 0.97
    for prefix, contrast in cases[name].contrasts.items():
        table = fit.test(contrast).set_index("gene")
        here, there = table[settled], r[settled]
        np.testing.assert_allclose(here["base_mean"], there["base_mean"], rtol=1e-6)
        # the search for a dispersion ends where R's does (seen: 0.08% and 0.32%)
        nearly_all((here["se"] / there[f"{prefix}_se"] - 1).abs(), 1e-3)
        np.testing.assert_allclose(here["se"], there[f"{prefix}_se"], rtol=5e-3)
        np.testing.assert_allclose(here["log2_fc"], there[f"{prefix}_lfc"], rtol=1e-3, atol=1e-3)
        # statistics within 0.002, the last one of 900 within 0.02 (seen: 0.0017 and 0.0095)
        nearly_all((here["stat"] - there[f"{prefix}_stat"]).abs(), 2e-3)
        np.testing.assert_allclose(here["stat"], there[f"{prefix}_stat"], atol=0.02)
        # orders of magnitude of p: 0.02 (seen: 0.017), none above 0.05 (seen: 0.039)
        for ours, theirs in (("p_value", "_p"), ("fdr", "_padj")):
            apart = np.log10(here[ours] / there[prefix + theirs]).abs()
            nearly_all(apart, 0.02)
            assert apart.max() < 0.05
        # genes set aside by Cook's distance are the same ones; independent filtering may cut one
        # step of its grid higher or lower (seen: 17 genes of 900)
        assert (table["p_value"].isna() == r[f"{prefix}_p"].isna()).all()
        assert (table["fdr"].isna() == r[f"{prefix}_padj"].isna()).mean() > 0.98
        assert jaccard(table["fdr"], r[f"{prefix}_padj"]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_dispersions_agree_with_r_gene_by_gene(name, fits, answers):
    state, r = fits(name).state, answers(f"deseq2_{name}")
    known = (r["genewise"].notna() & (r["iterations"] < 100)).to_numpy()
    # below 1e-6 a gene is at the floor and has no say in the trend, whatever its dispersion is
    here, there = (np.maximum(v, 1e-6)[known] for v in (state.genewise, r["genewise"].to_numpy()))
    apart = np.abs(np.log(here / there))
    assert np.median(apart) < 1e-4  # seen: 9e-5
    assert (apart > 0.01).mean() < 0.003  # seen: two genes of 900
    np.testing.assert_allclose(state.fitted[known], r["fitted"][known], rtol=1e-3)  # seen: 2e-4
    apart = np.abs(np.log(state.dispersions / r["dispersion"].to_numpy()))[known]
    nearly_all(apart, 0.003)  # seen: 0.2%
    assert np.nanmax(apart) < 0.05


def test_age_need_not_be_scaled_by_hand(simulated, cases, answers):
    # R stops short on raw ages, says so, and gave its answer on (age - 55) / 10
    counts, obs = simulated
    rows = cases["covariates"].rows
    far = obs.iloc[rows].assign(age=lambda o: o["age"] + 10_000)
    table = differential_expression(
        AnnData(counts.iloc[rows], obs=far),
        design="~ sex + age + group",
        contrast=("group", "high", "low"),
    )
    r = answers("deseq2_covariates")
    settled = (r["iterations"] < 100).to_numpy()
    np.testing.assert_allclose(
        table["stat"][settled], r["group_stat"][settled], rtol=1e-2, atol=5e-3
    )


def test_planted_effects_come_back(fits, cases):
    # genes 1-60 follow the group with 1 or 2 log2 units; 311 and beyond carry nothing
    table = fits("covariates").test(cases["covariates"].contrasts["group"])
    strong = table["base_mean"] > 10
    planted = table.index < 60
    called = table["fdr"] < 0.05
    assert called[planted & strong].mean() > 0.7
    assert called[(table.index >= 310) & (table.index < 890)].mean() < 0.02
    assert table["log2_fc"][planted & strong].abs().between(0.2, 3.5).all()


def test_interaction_is_difference_of_simple_effects(fits, cases):
    fit = fits("interaction")
    tables = {k: fit.test(v) for k, v in cases["interaction"].contrasts.items()}
    difference = tables["simple_yes"]["log2_fc"] - tables["simple_no"]["log2_fc"]
    np.testing.assert_allclose(difference, tables["interaction"]["log2_fc"], atol=1e-10)


def test_swapping_the_levels_flips_the_sign(fits):
    fit = fits("two_groups")
    there, back = fit.test(("group", "high", "low")), fit.test(("group", "low", "high"))
    np.testing.assert_allclose(there["log2_fc"], -back["log2_fc"])
    np.testing.assert_allclose(there["p_value"], back["p_value"])


@pytest.mark.parametrize("form", ["csr", "csc", "int32", "layer"])
def test_any_form_of_the_counts_gives_the_same(form, pseudobulk, fits, cases):
    data = pseudobulk("two_groups")
    if form == "layer":
        data.layers["counts"] = sparse.csr_matrix(data.X)
        data.X = np.log1p(data.X)
    else:
        change = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}
        data.X = change[form](data.X) if form in change else data.X.astype(form)
    contrast = cases["two_groups"].contrasts["group"]
    table = differential_expression(data, design="~ group", contrast=contrast)
    assert table.equals(fits("two_groups").test(contrast))


def test_contract_and_input_untouched(pseudobulk):
    data = pseudobulk("two_groups")
    before = data.copy()
    table = differential_expression(
        data, design="~ group", contrast=("group", "high", "low"), name="mono_crs"
    )
    assert DE.check(table).equals(table)
    assert table["gene"].tolist() == data.var_names.tolist()
    assert set(table["contrast"]) == {"mono_crs"}
    assert (data.X == before.X).all()
    assert data.obs.equals(before.obs)
    assert data.var.equals(before.var)
    assert not data.uns
    assert not data.layers
    assert not data.obsm
    assert not data.varm


def test_jobs_and_order_of_samples_do_not_matter(pseudobulk, fits):
    data = pseudobulk("two_groups")
    one = fits("two_groups").test(("group", "high", "low"))
    arguments = {"design": "~ group", "contrast": ("group", "high", "low")}
    assert differential_expression(data, **arguments, n_jobs=2).equals(one)
    back = differential_expression(data[::-1].copy(), **arguments)
    np.testing.assert_allclose(back["stat"], one["stat"], rtol=1e-6, atol=1e-8)


def test_reason_says_why_a_value_is_missing(fits):
    table = fits("two_groups").test(("group", "high", "low"))
    missing = table["fdr"].isna()
    assert (table.loc[missing, "reason"] != "").all()
    assert (table.loc[~missing, "reason"] == "").all()
    kinds = (
        table.loc[missing, "reason"].str.split(":").str[0].str.replace(r"[\d.]+", "", regex=True)
    )
    assert {"no counts", "count outlier"} <= set(kinds)


def test_without_cooks_and_filtering_every_gene_with_counts_has_an_fdr(pseudobulk, answers):
    table = differential_expression(
        pseudobulk("two_groups"),
        design="~ group",
        contrast=("group", "high", "low"),
        cooks=False,
        independent_filtering=False,
    ).set_index("gene")
    plain = answers("deseq2_two_groups")["group_padj_plain"]
    assert (table["fdr"].isna() == (table["base_mean"] == 0)).all()
    assert jaccard(table["fdr"], plain) == 1


def test_all_zero_genes_have_no_values(fits):
    table = fits("two_groups").test(("group", "high", "low")).set_index("gene")
    empty = table.loc["gene895"]
    assert empty["base_mean"] == 0
    assert empty["reason"] == "no counts"
    assert empty[["log2_fc", "se", "stat", "p_value", "fdr"]].isna().all()


def test_one_gene(pseudobulk):
    data = pseudobulk("two_groups")[:, ["gene001"]].copy()
    table = differential_expression(data, design="~ group", contrast=("group", "high", "low"))
    assert len(table) == 1
    assert np.isfinite(table[["log2_fc", "se", "p_value", "fdr"]].to_numpy(dtype=float)).all()


def test_genes_silent_in_both_levels_are_not_compared(fits):
    # genes 271-280 have counts under anakinra only; R gives 0 and p = 1 as well
    table = fits("arms").test(("arm", "no.high", "no.low")).iloc[270:280]
    assert (table["log2_fc"] == 0).all()
    assert (table["p_value"] == 1).all()


def test_no_common_gene_is_refused_with_a_cure(pseudobulk):
    data = pseudobulk("two_groups")
    data.X[np.arange(data.n_vars) % 10, np.arange(data.n_vars)] = 0
    with pytest.raises(InputError, match=r"every gene has a zero.*poscounts"):
        differential_expression(data, design="~ group", contrast=("group", "high", "low"))
    table = differential_expression(
        data, design="~ group", contrast=("group", "high", "low"), size_factors="poscounts"
    )
    assert table["p_value"].notna().any()


@pytest.mark.parametrize("engine", ["deseq2", "quasi_likelihood", "limma_voom", "wilcoxon"])
def test_empty_sample_is_named(engine, pseudobulk):
    data = pseudobulk("two_groups")
    data.X[3] = 0
    with pytest.raises(InputError, match=r"no counts at all.*p04_day7"):
        differential_expression(
            data, design="~ group", contrast=("group", "high", "low"), engine=engine
        )


def test_bad_input_is_refused(pseudobulk):
    data = pseudobulk("two_groups")
    contrast = ("group", "high", "low")
    normal = AnnData(np.log1p(data.X), obs=data.obs, var=data.var)
    with pytest.raises(InputError, match=r"adata\.X must hold raw counts.*not an integer"):
        differential_expression(normal, design="~ group", contrast=contrast)
    with pytest.raises(InputError, match=r"engine is 'deseq', but must be one of.*Did you mean"):
        differential_expression(data, design="~ group", contrast=contrast, engine="deseq")
    with pytest.raises(InputError, match="an option of engine 'deseq2' is 'blok'"):
        differential_expression(data, design="~ group", contrast=contrast, blok="patient")
    with pytest.raises(InputError, match="alpha is 5, but must be between 0 and 1"):
        differential_expression(data, design="~ group", contrast=contrast, alpha=5)
    with pytest.raises(InputError, match="size_factors is 'tmm'"):
        differential_expression(data, design="~ group", contrast=contrast, size_factors="tmm")
    twice = data[:, [0, 1, 2]].copy()
    twice.var.index = ["gene001", "gene001", "gene003"]
    with pytest.raises(InputError, match="'gene001' more than once"):
        differential_expression(twice, design="~ group", contrast=contrast)
    cells = AnnData(sparse.csr_matrix((5001, 2)))
    cells.obs["group"] = np.where(np.arange(5001) % 2, "a", "b")
    with pytest.raises(InputError, match=r"5001 rows, which look like cells.*pseudobulk"):
        fit_differential_expression(cells, design="~ group")


def test_low_freedom_uses_the_density_not_the_spread():
    from cartscope.tl.de._trend import prior_variance

    rng = np.random.default_rng(0)
    for variance in (0.25, 1.0, 2.0):
        log_chi = np.log(rng.chisquare(2, 20_000) / 2)
        seen = log_chi + rng.normal(0, variance**0.5, 20_000)
        assert prior_variance(seen, 2)[0] == pytest.approx(variance, abs=0.35)


def test_local_trend_where_the_parametric_one_does_not_fit(caplog):
    from cartscope.tl.de._trend import fit_trend

    means = np.exp(np.linspace(-1, 8, 400))
    rising = 0.01 * means**0.5  # a0 + a1 / mean with a negative a1
    trend = fit_trend(means, rising)
    assert trend.kind == "local"
    assert "does not fit" in caplog.text
    inner = slice(40, 360)
    np.testing.assert_allclose(trend(means)[inner], rising[inner], rtol=0.02)


def test_trend_of_a_sparse_table_survives_a_step_below_zero():
    # the first step from (0.1, 1) would make fitted dispersions negative: it is halved, not given up
    from cartscope.tl.de._trend import fit_trend

    means = np.exp(np.linspace(-2, 7, 900))
    dispersions = np.where(means < 10, 1.08 / means - 0.014, 0.004)
    x = np.column_stack([np.ones(900), 1 / means])
    mu = x @ [0.1, 1.0]
    step = np.linalg.lstsq(x / mu[:, None], dispersions / mu, rcond=None)[0]
    assert (x @ step).min() < 0
    trend = fit_trend(means, dispersions)
    assert trend.kind == "parametric"
    # the maximum of the gamma likelihood that the fit ends with, by brute force
    used = (dispersions / trend(means) > 1e-4) & (dispersions / trend(means) < 15)

    def loss(log):
        curve = np.exp(log[0]) + np.exp(log[1]) / means[used]
        return (dispersions[used] / curve + np.log(curve)).sum()

    best = minimize(loss, np.log([0.01, 1.0]), method="Nelder-Mead", options={"xatol": 1e-8})
    assert trend.asymptotic == pytest.approx(np.exp(best.x[0]), rel=1e-3)
    assert trend.extra_poisson == pytest.approx(np.exp(best.x[1]), rel=1e-3)


def test_trend_recovers_planted_coefficients():
    from cartscope.tl.de._trend import fit_trend

    rng = np.random.default_rng(0)
    means = np.exp(rng.uniform(-1, 8, 5000))
    dispersions = (0.1 + 2 / means) * rng.gamma(4, 1 / 4, 5000)
    dispersions[:500] = 1e-8  # at the floor: no part of the trend
    dispersions[500:520] *= 100  # far above: judged anew in each round
    trend = fit_trend(means, dispersions)
    assert trend.asymptotic == pytest.approx(0.1, rel=0.06)
    assert trend.extra_poisson == pytest.approx(2, rel=0.06)
