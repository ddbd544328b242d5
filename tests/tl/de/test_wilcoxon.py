from __future__ import annotations

import numpy as np
import pytest

from cartscope._errors import InputError
from cartscope.stats import mann_whitney, signed_rank
from cartscope.tl import differential_expression, fit_differential_expression

CONTRAST = ("group", "high", "low")


def test_is_the_exact_test_on_log_counts_per_million(pseudobulk, fits):
    fit = fits("two_groups", "wilcoxon")
    table = fit.test(CONTRAST)
    high = (pseudobulk("two_groups").obs["group"] == "high").to_numpy()
    for gene in (0, 5, 260, 500):
        values = fit.state.log_cpm[gene]
        alone = mann_whitney(values[high], values[~high])
        assert table["p_value"][gene] == alone.p_value
        assert table["stat"][gene] == alone.u - 4 * 6 / 2
    untied = np.array([len(set(v)) == v.size for v in fit.state.log_cpm])
    assert table["p_value"][untied].min() == pytest.approx(2 / 210)  # the floor at 4 v 6
    assert table["se"].isna().all()


def test_sign_follows_the_effect(fits):
    fit = fits("two_groups", "wilcoxon")
    there, back = fit.test(CONTRAST), fit.test(("group", "low", "high"))
    np.testing.assert_allclose(there["stat"], -back["stat"])
    np.testing.assert_allclose(there["log2_fc"], -back["log2_fc"])
    clear = there["p_value"] < 0.05
    assert (np.sign(there["stat"][clear]) * there["log2_fc"][clear] >= 0).all()


def test_samples_without_counts_tie_whatever_their_depth(fits):
    # genes 251-270 are absent from the low group: six ties at zero, not six different log ratios
    state = fits("two_groups", "wilcoxon").state
    assert (state.log_cpm[255, :6] == 0).all()


def test_pairs_are_signed_ranks(pseudobulk, fits):
    data = pseudobulk("paired")
    fit = fit_differential_expression(data, design="~ time", engine="wilcoxon", block="patient")
    table = fit.test(("time", "day7", "product"))
    log_cpm = fit.state.log_cpm
    day7 = (data.obs["time"] == "day7").to_numpy()
    x, y = log_cpm[3, day7], log_cpm[3, ~day7]
    order = [list(data.obs["patient"][~day7]).index(p) for p in data.obs["patient"][day7]]
    alone = signed_rank(x - y[order])
    assert table["p_value"][3] == alone.p_value
    assert table["log2_fc"][3] == np.median(x - y[order])


def test_three_levels_use_only_the_two_compared(pseudobulk, fits):
    fit = fits("arms", "wilcoxon")
    table = fit.test(("arm", "yes.high", "yes.low"))
    untied = np.array([len(set(v)) == v.size for v in fit.state.log_cpm])
    assert table["p_value"][untied].min() == pytest.approx(2 / 210)  # 4 against 6, not 24 samples


def test_what_a_rank_test_cannot_do_is_refused(pseudobulk):
    data = pseudobulk("interaction")
    with pytest.raises(InputError, match=r"cannot adjust for anything else.*block"):
        differential_expression(data, design="~ sex + group", contrast=CONTRAST, engine="wilcoxon")
    with pytest.raises(InputError, match="block is 'donor', but obs has no such column"):
        differential_expression(
            data, design="~ group", contrast=CONTRAST, engine="wilcoxon", block="donor"
        )
    with pytest.raises(InputError, match=r"only 0 block\(s\) have a sample in both groups"):
        differential_expression(
            data, design="~ group", contrast=CONTRAST, engine="wilcoxon", block="patient"
        )
    with pytest.raises(InputError, match="needs a contrast between two groups"):
        fit_differential_expression(data, design="~ group", engine="wilcoxon").test([1, 0])
    data.obs["pair"] = "one"
    with pytest.raises(InputError, match="a block has several samples in one group"):
        differential_expression(
            data, design="~ group", contrast=CONTRAST, engine="wilcoxon", block="pair"
        )
