from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import GENE_SET_SCORES
from cartscope.tl import gene_set_patient_scores, gene_set_patient_test, gsea
from cartscope.tl._gene_set_patient_test import log_cpm, set_scores

CONTRAST = ("crs", "high", "low")


def pseudobulk(rng, n: int = 10, genes: int = 300, *, shift: float = 0.0) -> ad.AnnData:
    """Rows are patients, four of them high; the first 20 genes are shifted in those."""
    means = rng.gamma(2, 30, genes) * np.exp(rng.normal(0, 0.3, (n, genes)))
    means[:4, :20] *= np.exp(shift)
    obs = pd.DataFrame({"patient": [f"p{i}" for i in range(n)]})
    obs["crs"] = ["high"] * 4 + ["low"] * (n - 4)
    obs.index = obs["patient"].to_list()
    var = pd.DataFrame(index=[f"G{i}" for i in range(genes)])
    return ad.AnnData(rng.poisson(means).astype(np.float32), obs=obs, var=var)


SETS = {"planted": [f"G{i}" for i in range(20)], "other": [f"G{i}" for i in range(100, 130)]}


def test_planted_set_reaches_the_floor_and_input_is_untouched(rng):
    pdata = pseudobulk(rng, shift=1.5)
    before = pdata.X.copy()
    table = gene_set_patient_test(pdata, SETS, contrast=CONTRAST, name="x")
    GENE_SET_SCORES.check(table)
    assert (before == pdata.X).all()
    row = table.set_index("gene_set").loc["planted"]
    assert row["p_value"] == pytest.approx(2 / 210)
    assert row["min_p"] == pytest.approx(2 / 210)
    assert 0 < row["ci_low"] < row["effect"] < row["ci_high"]
    assert row["median_group"] > row["median_reference"]


def test_score_is_the_mean_z_of_log_cpm_written_down(rng):
    pdata = pseudobulk(rng)
    frame = pd.DataFrame(pdata.X, columns=pdata.var_names).astype(float)
    logs = np.log2((frame + 0.5).div(frame.sum(axis=1) + 1, axis=0) * 1e6)
    expected = ((logs - logs.mean()) / logs.std())[SETS["planted"]].mean(axis=1)
    scores, sizes = set_scores(log_cpm(pdata.X), [list(range(20))])
    assert scores[:, 0] == pytest.approx(expected.to_numpy())
    assert sizes == [20]


def test_correlated_genes_fool_the_gene_permutation_but_not_this_test():
    """A set whose genes rise and fall together, unrelated to the groups."""
    wrong, right = 0, 0
    sets = {"together": [f"G{i}" for i in range(30)]}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        pdata = pseudobulk(rng, genes=200)
        factor = np.exp(rng.normal(0, 0.8, (10, 1)))
        pdata.X[:, :30] = rng.poisson(pdata.X[:, :30] * factor)
        logs = log_cpm(pdata.X)
        t = stats.ttest_ind(logs[:4], logs[4:]).statistic
        wrong += gsea(pd.Series(t, pdata.var_names), sets).loc[0, "p_value"] < 0.05
        table = gene_set_patient_test(pdata, sets, contrast=CONTRAST)
        right += table.loc[0, "p_value"] < 0.05
    assert wrong >= 4  # 0.6 of 12 would be by chance
    assert right <= 2


def test_paired_patients_are_compared_with_themselves(rng):
    first, second = pseudobulk(rng), pseudobulk(rng)
    second.X[:, :20] *= 3
    both = ad.concat({"product": first, "day7": second}, label="timepoint", index_unique="-")
    both.obs["timepoint"] = both.obs["timepoint"].astype(str)
    lone = pseudobulk(rng, n=5)[4:].copy()
    lone.obs = lone.obs.assign(patient="alone", timepoint="day7")
    lone.obs_names = ["alone"]
    pdata = ad.concat([both, lone])
    contrast = ("timepoint", "day7", "product")
    table = gene_set_patient_test(pdata, SETS, contrast=contrast, paired=True)
    row = table.set_index("gene_set").loc["planted"]
    assert row["p_value"] == pytest.approx(2 / 2**10)
    assert row["min_p"] == pytest.approx(2 / 2**10)
    assert (row["n_group"], row["u"]) == (10, 55)
    # one table with those of unpaired patients
    assert (row["within"], row["n_alone"]) == ("", 0)
    assert 0 < row["ci_low"] < row["effect"] < row["ci_high"]
    assert table.attrs["left_out"] == ["alone"]


def test_interval_of_paired_patients_is_that_of_the_signed_rank_test():
    """Answer of R 4.2.2: wilcox.test(x, conf.int = TRUE)."""
    from cartscope.tl._gene_set_patient_test import _walsh

    x = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    low, middle, high = _walsh(x[:, None])
    assert (middle[0], low[0], high[0]) == pytest.approx((1.725, 1.165, 2.370))


def test_sets_outside_the_size_limits_say_so(rng):
    pdata = pseudobulk(rng)
    pdata.X[:, 40:45] = 0
    sets = {**SETS, "silent": [f"G{i}" for i in range(40, 45)], "unknown": ["X"]}
    table = gene_set_patient_test(pdata, sets, contrast=CONTRAST, max_size=25)
    table = table.set_index("gene_set")
    assert table.loc["unknown", "reason"] == "size 0 is below min_size=5"
    assert table.loc["other", "reason"] == "size 30 is above max_size=25"
    assert (table["family_size"] == table["p_value"].notna().sum()).all()


def test_errors_name_what_is_wrong(rng):
    pdata = pseudobulk(rng)
    twice = ad.concat([pdata, pdata[:1]], index_unique="-")
    with pytest.raises(InputError, match="'p0' has several rows"):
        gene_set_patient_test(twice, SETS, contrast=CONTRAST)
    with pytest.raises(InputError, match="has several rows with crs 'high'"):
        gene_set_patient_test(twice, SETS, contrast=CONTRAST, paired=True)
    with pytest.raises(InputError, match="no patient has both levels of 'crs'"):
        gene_set_patient_test(pdata, SETS, contrast=CONTRAST, paired=True)
    with pytest.raises(MissingKeyError, match=r"obs\['grade'\] is missing"):
        gene_set_patient_test(pdata, SETS, contrast=("grade", 2, 1))
    logs = pdata.copy()
    logs.X = np.log1p(logs.X)
    with pytest.raises(InputError, match="must hold raw counts"):
        gene_set_patient_test(logs, SETS, contrast=CONTRAST)
    with pytest.raises(InputError, match="never fetched by name"):
        gene_set_patient_test(pdata, "Hallmark", contrast=CONTRAST)


@pytest.mark.reference
def test_scores_are_gsvas_combined_z(reference):
    """GSVA's zscore is the sum of z over the root of the size; ours is the mean."""
    from cartscope.io import read_gene_sets
    from cartscope.manifest import manifest_dir

    folder = reference / "kang2k" / "gsea"
    logs = pd.read_csv(folder / "cd14_logcpm.csv.gz", index_col=0)
    theirs = pd.read_csv(folder / "cd14_hallmark_zscore.csv", index_col=0)
    sets = read_gene_sets(manifest_dir() / "gene_sets" / "hallmark.gmt")
    place = {gene: i for i, gene in enumerate(logs.index)}
    columns = [[place[g] for g in sets[term] if g in place] for term in theirs.index]
    scores, sizes = set_scores(logs.T.to_numpy(), columns)
    combined = scores.T * np.sqrt(np.array(sizes))[:, None]
    assert combined == pytest.approx(theirs.to_numpy(), abs=1e-6)


@pytest.mark.reference
def test_interferon_rises_in_every_donor(reference):
    from cartscope.io import read_gene_sets
    from cartscope.manifest import manifest_dir

    counts = pd.read_csv(reference / "kang2k" / "pb_cd14_counts.csv.gz", index_col=0).T
    meta = pd.read_csv(reference / "kang2k" / "pb_cd14_meta.csv", index_col=0).loc[counts.index]
    pdata = ad.AnnData(counts.astype(np.float32), obs=meta)
    condition = next(c for c in meta if set(meta[c].astype(str)) == {"ctrl", "stim"})
    sets = read_gene_sets(manifest_dir() / "gene_sets" / "study.gmt")
    table = gene_set_patient_test(
        pdata, sets, contrast=(condition, "stim", "ctrl"), unit="donor", paired=True
    ).set_index("gene_set")
    row = table.loc["HALLMARK_INTERFERON_ALPHA_RESPONSE"]
    assert row["p_value"] == pytest.approx(2 / 2**8)
    assert row["effect"] > 1


def test_scores_by_patient_are_those_that_are_tested():
    counts = np.random.default_rng(3).poisson(30, (9, 20))
    obs = pd.DataFrame({"patient": list("abcdefghi"), "crs": ["h"] * 4 + ["l"] * 5})
    obs.index = obs["patient"].tolist()
    pdata = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(20)]))
    sets = {"up": ["G0", "G1", "G2"], "absent": ["X"]}
    scores = gene_set_patient_scores(pdata, sets)
    table = gene_set_patient_test(pdata, sets, contrast=("crs", "h", "l"), min_size=1)
    row = table.set_index("gene_set").loc["up"]
    assert scores.loc[obs["crs"] == "h", "up"].median() == pytest.approx(row["median_group"])
    assert scores.loc[obs["crs"] == "l", "up"].median() == pytest.approx(row["median_reference"])
    assert scores["absent"].isna().all()
