from __future__ import annotations

import numpy as np
import pytest

from cartscope._errors import InputError
from cartscope._schema import ENGINE_COMPARISON, ENGINE_DISAGREEMENT
from cartscope.tl import compare_engines, fit_differential_expression, shrink_lfc

CONTRAST = ("group", "high", "low")


@pytest.fixture(scope="module")
def tables(fits):
    return (
        fits("covariates").test(CONTRAST, name="crs"),
        fits("covariates", "limma_voom").test(CONTRAST, name="crs"),
    )


def test_an_engine_agrees_with_itself(tables):
    row = compare_engines(tables[0], tables[0]).iloc[0]
    assert row["jaccard"] == 1
    assert row["rank_correlation"] == pytest.approx(1)
    assert row["n_opposite_sign"] == 0


def test_counts_are_those_of_the_sets(tables):
    a, b = tables
    first = set(a["gene"][a["fdr"] < 0.05])
    second = set(b["gene"][b["fdr"] < 0.05])
    table = compare_engines(a, b, names=("deseq2", "limma"))
    row = table.iloc[0]
    assert ENGINE_COMPARISON.check(table).equals(table)
    assert (row["n_a"], row["n_b"], row["n_both"]) == (
        len(first),
        len(second),
        len(first & second),
    )
    assert row["jaccard"] == pytest.approx(len(first & second) / len(first | second))
    assert row["rank_correlation"] > 0.9
    detail = compare_engines(a, b, names=("deseq2", "limma"), detail=True)
    assert ENGINE_DISAGREEMENT.check(detail).equals(detail)
    assert set(detail["gene"]) == first ^ second
    assert set(detail.loc[detail["called_by"] == "deseq2", "gene"]) == first - second
    assert (detail["why"] != "").all()


def test_reasons(tables):
    a = (
        tables[0]
        .iloc[:5]
        .assign(log2_fc=2.0, se=0.2, stat=10.0, p_value=1e-20, fdr=1e-18, reason="")
    )
    b = a.assign(
        fdr=[np.nan, 0.5, 0.5, 0.06, 0.5],
        p_value=[np.nan, 0.3, 0.3, 5e-20, 0.3],
        reason=["count outlier", "", "", "", ""],
        log2_fc=[2.0, -2.0, 0.1, 2.0, 2.0],
        se=[0.2, 0.2, 0.2, 0.2, 2.0],
    )
    why = compare_engines(a, b, detail=True)["why"].tolist()
    assert why == [
        "b: count outlier",
        "opposite signs",
        "b: smaller effect",
        "close to the line in both",
        "b: larger standard error",
    ]


def test_nothing_called(tables):
    none = tables[0].assign(fdr=1.0)
    row = compare_engines(none, none).iloc[0]
    assert np.isnan(row["jaccard"])
    assert row["verdict"] == "neither calls a gene"
    assert compare_engines(none, none, detail=True).empty


def test_what_cannot_be_compared(tables):
    a, b = tables
    with pytest.raises(InputError, match=r"nothing to compare; give both the same `name`"):
        compare_engines(a, b.assign(contrast="other"))
    with pytest.raises(InputError, match="a contrast holds a gene twice"):
        compare_engines(a.iloc[[0, 0]], b)
    with pytest.raises(InputError, match=r"b: missing column\(s\) \['fdr'\]"):
        compare_engines(a, b.drop(columns="fdr"))


def test_shrinkage_needs_a_deseq2_fit(fits, pseudobulk):
    with pytest.raises(InputError, match=r"needs a fit of engine 'deseq2'.*not 'limma_voom'"):
        shrink_lfc(fits("two_groups", "limma_voom"), CONTRAST)
    with pytest.raises(InputError, match="not meant for interactions"):
        shrink_lfc(fits("interaction"), CONTRAST, method="normal")
    with pytest.raises(InputError, match="method is 'ashr'"):
        shrink_lfc(fits("two_groups"), CONTRAST, method="ashr")


def test_shrinkage_leaves_the_test_and_pulls_towards_zero(fits):
    fit = fits("covariates")
    table, shrunk = fit.test(CONTRAST), shrink_lfc(fit, CONTRAST)
    assert shrunk[list(table)].equals(table)
    sure = table["se"] < 0.35
    assert (shrunk["log2_fc_shrunk"].abs() <= table["log2_fc"].abs() + 1e-3)[sure].all()
    weak = table["se"] > 2
    assert shrunk["log2_fc_shrunk"][weak].abs().median() < 0.1
    assert shrunk["log2_fc_shrunk"].isna().equals(table["base_mean"] == 0)


def test_shrinkage_of_a_combination_is_that_of_the_coefficient_it_could_be(pseudobulk, fits):
    import pandas as pd

    within = shrink_lfc(fits("interaction"), [0, 0, 1, 1])
    turned = pseudobulk("interaction")
    turned.obs["anakinra"] = pd.Categorical(turned.obs["anakinra"], ["yes", "no"])
    direct = shrink_lfc(fit_differential_expression(turned, design="~ anakinra * group"), CONTRAST)
    known = within["base_mean"] > 5
    np.testing.assert_allclose(
        within["log2_fc_shrunk"][known], direct["log2_fc_shrunk"][known], rtol=0.01, atol=0.01
    )


def test_of_two_modes_the_higher_is_taken():
    # a narrow prior and a vague estimate: one mode at the estimate, a higher one next to 0
    from scipy.optimize import minimize_scalar

    from cartscope.tl.de._posterior_mode import posterior_modes

    x = np.column_stack([np.ones(8), np.repeat([0.0, 1], 4)])
    counts = np.array([[10.0, 12, 9, 11, 70, 80, 75, 85], [10, 12, 9, 11, 70, 80, 75, 85]])
    start = np.array([[np.log(10.5), np.log(77.5 / 10.5)]] * 2)
    dispersions, scale = np.array([0.7, 0.01]), 0.01
    modes, _, two = posterior_modes(counts, np.ones(8), x, dispersions, start, 1, scale, 1 / 15**2)
    assert two.all()
    assert abs(modes[0]) < 0.01
    assert modes[1] == pytest.approx(2, abs=0.1)
    for gene, alpha in enumerate(dispersions):

        def profile(beta, alpha=alpha, y=counts[gene]):
            def loss(intercept):
                eta = x @ [intercept, beta]
                fitted = (y * eta - (y + 1 / alpha) * np.log1p(alpha * np.exp(eta))).sum()
                return intercept**2 / (2 * 15**2) + np.log1p((beta / scale) ** 2) - fitted

            return minimize_scalar(loss, bounds=(-2, 8), method="bounded").fun

        grid = np.concatenate([np.linspace(-0.05, 0.05, 201), np.linspace(0.05, 4, 400)])
        best = grid[np.argmin([profile(b) for b in grid])]
        assert modes[gene] == pytest.approx(best, abs=0.02)
