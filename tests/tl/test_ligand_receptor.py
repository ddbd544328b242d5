from __future__ import annotations

import time

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import LIGREC
from cartscope.io import read_lr_resource
from cartscope.tl import (
    LIGAND_RECEPTOR_SCORES,
    ligand_receptor,
    ligand_receptor_scores,
    ligand_receptor_test,
)

CONTRAST = ("crs", "high", "low")
GENES = ["CXCL10", "CXCR3", "DPP4", "RETN", "CAP1", "ITGA4", "ITGB1", "VCAM1", "SILENT"]
PAIRS = pd.DataFrame(
    {
        "ligand": ["CXCL10", "CXCL10", "RETN", "VCAM1", "SILENT", "CXCL10"],
        "receptor": ["CXCR3", "DPP4", "CAP1", "ITGA4_ITGB1", "CXCR3", "NOWHERE"],
    }
)
N = 15  # cells of each population in each patient


def cohort(rng, *, dense: bool = False) -> ad.AnnData:
    """Ten patients, four high; monocytes of the high ones express more CXCL10."""
    patients = [f"p{i}" for i in range(10)]
    obs = pd.DataFrame(
        {
            "patient": np.repeat(patients, 2 * N),
            "type": np.tile(np.repeat(["mono", "T"], N), 10),
            "crs": np.repeat(["high"] * 4 + ["low"] * 6, 2 * N),
        }
    )
    obs.index = [f"cell{i}" for i in obs.index]
    x = rng.gamma(1.0, 1.0, (len(obs), len(GENES))) * (rng.random((len(obs), len(GENES))) < 0.7)
    x[:, GENES.index("SILENT")] = 0
    mono_high = (obs["type"] == "mono") & (obs["crs"] == "high")
    x[mono_high, GENES.index("CXCL10")] += 4
    matrix = x if dense else sparse.csr_matrix(x)
    return ad.AnnData(matrix, obs=obs, var=pd.DataFrame(index=GENES))


@pytest.fixture
def cells(rng) -> ad.AnnData:
    return cohort(rng)


def mean_of(cells: ad.AnnData, patient: str, population: str, gene: str) -> float:
    rows = (cells.obs["patient"] == patient) & (cells.obs["type"] == population)
    return float(cells[rows, gene].X.toarray().mean())


def test_scores_are_means_joined_cell_by_cell(cells):
    expected = mean_of(cells, "p3", "mono", "CXCL10"), mean_of(cells, "p3", "T", "CXCR3")
    joined = {
        "product": expected[0] * expected[1],
        "geometric_mean": np.sqrt(expected[0] * expected[1]),
        "mean": sum(expected) / 2,
    }
    for score in LIGAND_RECEPTOR_SCORES:
        scores = ligand_receptor_scores(cells, groupby="type", resource=PAIRS, score=score)
        assert scores.between("mono", "T")[3, 0] == pytest.approx(joined[score], rel=1e-12)


def test_a_complex_counts_as_its_limiting_subunit(cells):
    scores = ligand_receptor_scores(cells, groupby="type", resource=PAIRS)
    lower = min(mean_of(cells, "p0", "T", g) for g in ("ITGA4", "ITGB1"))
    ligand = mean_of(cells, "p0", "mono", "VCAM1")
    assert scores.between("mono", "T")[0, 3] == pytest.approx(ligand * lower)


@pytest.mark.parametrize("form", ["csc", "dense"])
def test_every_form_of_matrix_gives_the_same_scores(rng, form):
    cells = cohort(np.random.default_rng(7))
    other = cells.copy()
    other.X = cells.X.tocsc() if form == "csc" else cells.X.toarray()
    one = ligand_receptor_scores(cells, groupby="type", resource=PAIRS)
    two = ligand_receptor_scores(other, groupby="type", resource=PAIRS)
    assert one.ligand == pytest.approx(two.ligand, nan_ok=True)
    assert one.receptor_share == pytest.approx(two.receptor_share, nan_ok=True)


def test_liana_lost_the_rows_of_a_sample_whose_ligand_has_no_count(cells):
    x = cells.X.toarray()
    x[(cells.obs["patient"] == "p5").to_numpy(), 0] = 0
    cells.X = sparse.csr_matrix(x)
    long = ligand_receptor_scores(cells, groupby="type", resource=PAIRS).to_frame()
    assert len(long) == 10 * len(PAIRS) * 4
    row = long[
        (long["patient"] == "p5") & (long["receptor"] == "CXCR3") & (long["ligand"] == "CXCL10")
    ]
    assert (row["score"] == 0).all()
    assert (row["status"] == "zero").all()


def test_liana_filled_a_zero_in_the_sender_with_the_smallest_passing_score(cells):
    """A patient without the ligand is the lowest, not tied with the lowest expressing one."""
    x = cells.X.toarray()
    x[(cells.obs["patient"] == "p9").to_numpy(), 0] = 0
    cells.X = sparse.csr_matrix(x)
    values = ligand_receptor_scores(cells, groupby="type", resource=PAIRS).between("mono", "T")[
        :, 0
    ]
    assert values[9] == 0
    assert (values[:9] > 0).all()


def test_liana_raised_an_index_error_for_one_sample_with_few_cells(cells):
    few = (cells.obs["patient"] == "p2") & (cells.obs["type"] == "T")
    kept = cells[~few | (np.arange(cells.n_obs) % N < 4)].copy()
    scores = ligand_receptor_scores(kept, groupby="type", resource=PAIRS)
    long = scores.to_frame(pairs=[("CXCL10", "CXCR3")])
    row = long[(long["patient"] == "p2") & (long["source"] == "mono") & (long["target"] == "T")]
    assert row["status"].tolist() == ["not estimable"]
    assert row["score"].isna().all()
    assert row["n_target"].tolist() == [4]
    table = ligand_receptor(kept, groupby="type", contrast=CONTRAST, resource=PAIRS)
    chosen = (table["source"] == "mono") & (table["target"] == "T")
    assert (table.loc[chosen, "n_group"] == 3).all()


def test_every_patient_pair_and_population_pair_has_a_status(cells):
    long = ligand_receptor_scores(cells, groupby="type", resource=PAIRS).to_frame()
    assert set(long["status"]) == {"scored", "zero", "not estimable"}
    unknown = long["receptor"] == "NOWHERE"
    assert (long.loc[unknown, "status"] == "not estimable").all()
    silent = long["ligand"] == "SILENT"
    assert (long.loc[silent, "status"] == "zero").all()
    assert not long.duplicated(["patient", "source", "target", "ligand", "receptor"]).any()


def test_planted_pair_reaches_the_floor_and_its_p_is_the_exact_tests(cells):
    before = cells.obs.copy(), cells.X.copy()
    table = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=PAIRS, name="7E")
    LIGREC.check(table)
    pd.testing.assert_frame_equal(cells.obs, before[0])
    assert (before[1] != cells.X).nnz == 0
    key = table.set_index(["source", "target", "ligand", "receptor"])
    row = key.loc[("mono", "T", "CXCL10", "CXCR3")]
    assert row["p_value"] == pytest.approx(2 / 210)
    assert row["min_p"] == pytest.approx(2 / 210)
    assert row["effect"] == 1
    assert row["log2_change"] == pytest.approx(
        np.log2(row["median_group"] / row["median_reference"])
    )
    assert row["contrast"] == "7E"
    scores = ligand_receptor_scores(cells, groupby="type", resource=PAIRS)
    other = key.loc[("T", "mono", "RETN", "CAP1")]
    values = scores.between("T", "mono")[:, 2]
    assert other["p_value"] == pytest.approx(
        stats.mannwhitneyu(values[:4], values[4:], method="exact").pvalue
    )


def test_family_is_every_tested_row(cells):
    table = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=PAIRS)
    tested = table["p_value"].notna()
    assert (table["family_size"] == tested.sum()).all()
    assert table.loc[tested, "fdr"].to_numpy() == pytest.approx(
        stats.false_discovery_control(table.loc[tested, "p_value"].to_numpy())
    )
    assert table.attrs["n_considered"] == len(PAIRS) * 4
    assert table.attrs["smallest_q"] == {"exploratory": pytest.approx(2 / 210)}


@pytest.mark.parametrize("alpha", [0.05, 0.1])  # q is never below 0.1 where p is never below it
def test_three_against_three_says_not_attainable_beside_its_p_and_leaves_the_family(cells, alpha):
    few = cells[~cells.obs["patient"].isin(["p0", "p7", "p8", "p9"])].copy()
    table = ligand_receptor(
        few, groupby="type", contrast=CONTRAST, resource=PAIRS, alpha=alpha, senders=["mono"]
    )
    assert table["reason"].str.startswith("not attainable: p cannot be below 0.1 with 3").all()
    assert table["p_value"].notna().all()
    assert table["fdr"].isna().all()
    assert (table["family_size"] == 0).all()
    assert table.attrs["n_not_attainable"] == len(table)


def test_candidates_do_not_depend_on_who_is_in_which_group(cells, rng):
    """Double use: pairs picked by differential expression in the same patients, then tested."""
    first = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=PAIRS)
    shuffled = rng.permutation(["high"] * 4 + ["low"] * 6)
    groups = dict(zip(sorted(set(cells.obs["patient"])), shuffled, strict=True))
    cells.obs["crs"] = cells.obs["patient"].map(groups).astype(str)
    second = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=PAIRS)
    key = ["source", "target", "ligand", "receptor"]
    pd.testing.assert_frame_equal(first[key], second[key])


def test_given_genes_choose_candidates_and_the_rows_say_so(cells):
    options = {"groupby": "type", "contrast": CONTRAST, "resource": PAIRS}
    table = ligand_receptor(cells, **options, genes={"ITGB1"}, report=[("CXCL10", "CXCR3")])
    tested = table[table["reason"] == ""]
    assert set(tested["receptor"]) == {"ITGA4_ITGB1"}  # a subunit is enough
    named = table[table["receptor"] == "CXCR3"]
    assert (
        named["reason"] == "not a candidate: none of its genes is among those that choose"
    ).all()
    assert table["candidates"].str.contains("q is too small if the same patients chose").all()
    blind = ligand_receptor(cells, **options)
    assert blind["candidates"].str.contains("whichever group").all()
    assert ligand_receptor(cells, **options, genes=()).empty


def test_scores_can_be_tested_again_without_the_cells(cells):
    scores = ligand_receptor_scores(cells, groupby="type", resource=PAIRS)
    levels = dict(zip(cells.obs["patient"], cells.obs["crs"], strict=True))
    levels |= {"p9": "low", "stranger": "high", "ungraded": None}
    again = ligand_receptor_test(scores, levels, contrast=("high", "low"), name="7E")
    once = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=PAIRS, name="7E")
    pd.testing.assert_frame_equal(again, once)
    assert again.attrs["left_out"] == ["stranger"]
    with pytest.raises(InputError, match="a level of contrast is 'middle'"):
        ligand_receptor_test(scores, levels, contrast=("high", "middle"))
    with pytest.raises(InputError, match="contrast compares a level with itself, 'low'"):
        ligand_receptor_test(scores, levels, contrast=("low", "low"))
    with pytest.raises(InputError, match=r"no option \['score'\]"):
        ligand_receptor_test(scores, levels, contrast=("high", "low"), score="mean")


def test_a_pair_that_only_the_smaller_group_expresses_is_a_candidate(cells):
    x = cells.X.toarray()
    low = (cells.obs["crs"] == "low").to_numpy()
    x[low, GENES.index("RETN")] = 0
    cells.X = sparse.csr_matrix(x)
    table = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=PAIRS)
    row = table[
        (table["ligand"] == "RETN") & (table["source"] == "mono") & (table["target"] == "T")
    ]
    # the six zeros tie, so no other assignment is as far from the mean: half of 2 / 210
    assert row["p_value"].iloc[0] == pytest.approx(1 / 210)
    assert row["min_p"].iloc[0] == pytest.approx(1 / 210)
    assert np.isposinf(row["log2_change"].iloc[0])


def test_pairs_named_before_looking_are_a_family_of_their_own(cells):
    """At 4 against 6 the floor is 0.0095: alone its q is 0.0095, among many it is near 1."""
    options = {"groupby": "type", "contrast": CONTRAST, "resource": PAIRS}
    table = ligand_receptor(cells, **options, primary=[("CXCL10", "CXCR3"), ("SILENT", "CXCR3")])
    named = table[table["family"] == "primary"]
    assert len(named) == 8
    assert (named["family_size"] == 4).all()
    row = named.set_index(["source", "target", "ligand"]).loc[("mono", "T", "CXCL10")]
    assert row["fdr"] <= 4 * 2 / 210
    plain = ligand_receptor(cells, **options)
    assert set(plain["family"]) == {"exploratory"}
    rest = table[(table["family"] == "exploratory") & (table["reason"] == "")]
    assert rest["fdr"].to_numpy() == pytest.approx(
        stats.false_discovery_control(rest["p_value"].to_numpy())
    )
    assert plain["family_size"].iloc[0] == 4 + len(rest)


def test_reported_pairs_have_a_row_even_where_they_are_not_tested(cells):
    table = (
        ligand_receptor(
            cells,
            groupby="type",
            contrast=CONTRAST,
            resource=PAIRS,
            report=[("SILENT", "CXCR3"), ("CXCL10", "NOWHERE")],
        )
        .set_index(["ligand", "receptor"])
        .sort_index()
    )
    assert table.loc[("SILENT", "CXCR3"), "reason"].str.startswith("not a candidate").all()
    assert table.loc[("CXCL10", "NOWHERE"), "reason"].str.startswith("not estimable").all()
    assert table.loc[("SILENT", "CXCR3"), "p_value"].isna().all()
    assert (table["family_size"] == (table["reason"] == "").sum()).all()


def test_nothing_expressed_is_an_empty_table(cells):
    table = ligand_receptor(
        cells, groupby="type", contrast=CONTRAST, resource=PAIRS[PAIRS["ligand"] == "SILENT"]
    )
    LIGREC.check(table)
    assert table.empty


def test_cells_without_a_population_do_not_count(cells):
    extra = cells.copy()
    extra.obs_names = [f"x{name}" for name in extra.obs_names]
    extra.obs["type"] = "unassigned"
    extra.X = extra.X * 2
    nameless = cells.copy()
    nameless.obs_names = [f"y{name}" for name in nameless.obs_names]
    nameless.obs["type"] = np.nan
    both = ad.concat([cells, extra, nameless])
    one = ligand_receptor_scores(cells, groupby="type", resource=PAIRS)
    two = ligand_receptor_scores(both, groupby="type", resource=PAIRS)
    assert one.populations == two.populations == ("T", "mono")
    assert one.ligand == pytest.approx(two.ligand, nan_ok=True)


def test_errors_name_what_is_wrong(cells):
    with pytest.raises(InputError, match=r"no option \['min_cell'\]"):
        ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=PAIRS, min_cell=3)
    with pytest.raises(InputError, match="senders is 'monocyte'"):
        ligand_receptor_scores(cells, groupby="type", resource=PAIRS, senders=["monocyte"])
    with pytest.raises(InputError, match="receivers must be a list"):
        ligand_receptor_scores(cells, groupby="type", resource=PAIRS, receivers="T")
    with pytest.raises(InputError, match="score is 'max'"):
        ligand_receptor_scores(cells, groupby="type", resource=PAIRS, score="max")
    with pytest.raises(InputError, match=r"missing column\(s\) \['receptor'\]"):
        ligand_receptor_scores(cells, groupby="type", resource=PAIRS[["ligand"]])
    with pytest.raises(MissingKeyError, match=r"obs\['celltype'\] is missing"):
        ligand_receptor_scores(cells, groupby="celltype", resource=PAIRS)
    counts = cells.copy()
    counts.X = counts.X * 1000
    with pytest.raises(InputError, match="not log1p"):
        ligand_receptor_scores(counts, groupby="type", resource=PAIRS)


def test_labels_drawn_at_random_rarely_give_any_q_below_a_tenth(rng):
    """Through the whole chain, candidate filter included, on pairs that share genes and cells."""
    n_genes, patients = 60, [f"p{i}" for i in range(10)]
    obs = pd.DataFrame({"patient": np.repeat(patients, 40)})
    obs["type"] = np.tile(np.repeat(["mono", "T"], 20), 10)
    obs.index = obs.index.astype(str)
    level = np.repeat(rng.gamma(1, 0.4, (10, n_genes)), 40, axis=0)  # patients differ, groups don't
    x = rng.gamma(1.0, 1.0, (400, n_genes)) * (rng.random((400, n_genes)) < level)
    var = pd.DataFrame(index=[f"g{i}" for i in range(n_genes)])
    cells = ad.AnnData(sparse.csr_matrix(x), obs=obs, var=var)
    resource = pd.DataFrame(
        {
            "ligand": [f"g{i}" for i in range(30)] * 2,
            "receptor": [f"g{30 + i // 2}" for i in range(60)],
        }
    )
    any_found, shares = [], []
    for _ in range(60):
        sides = dict(zip(patients, rng.permutation(["high"] * 4 + ["low"] * 6), strict=True))
        cells.obs["crs"] = cells.obs["patient"].map(sides)
        table = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=resource)
        any_found.append((table["fdr"] < 0.1).any())
        shares.append((table["p_value"] < 0.05).mean())
    assert np.mean(any_found) <= 0.15  # 0 of 120 in a longer run
    assert np.mean(shares) <= 0.055


def test_all_patients_pairs_and_populations_in_well_under_a_minute(rng):
    """The whole union of resources, 26 patients and 6 populations: 2.3 million scores."""
    resource = read_lr_resource()
    genes = sorted(
        {g for c in ("ligand", "receptor") for v in resource[c] for g in v.split("_")}
    ) + [f"other{i}" for i in range(3000)]
    n = 26 * 6 * 12
    x = sparse.random(n, len(genes), density=0.3, format="csr", rng=rng)
    obs = pd.DataFrame(
        {
            "patient": np.repeat([f"p{i}" for i in range(26)], 72),
            "type": np.tile(np.repeat(list("ABCDEF"), 12), 26),
        }
    )
    obs["crs"] = np.where(obs["patient"].str[1:].astype(int) < 10, "high", "low")
    obs.index = obs.index.astype(str)
    cells = ad.AnnData(x, obs=obs, var=pd.DataFrame(index=genes))
    start = time.perf_counter()
    table = ligand_receptor(cells, groupby="type", contrast=CONTRAST, resource=resource)
    assert time.perf_counter() - start < 30
    assert len(table) > 80_000
    p = table["p_value"].to_numpy()
    assert 0.04 < np.mean(p < 0.05) < 0.06
    assert (table["fdr"] > 0.1).all()


@pytest.mark.reference
def test_interferon_raises_cxcl10_to_cxcr3_from_monocytes(reference):
    import scanpy as sc

    cells = ad.read_h5ad(reference / "kang2k" / "kang_pbmc_2000cells_with_donor.h5ad")
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    condition = next(
        c for c in cells.obs if set(map(str, cells.obs[c].unique())) == {"ctrl", "stim"}
    )
    cells.obs["unit"] = cells.obs["donor"].astype(str) + cells.obs[condition].astype(str)
    table = ligand_receptor(
        cells,
        groupby="derived_cell_type",
        contrast=(condition, "stim", "ctrl"),
        resource=read_lr_resource(),
        unit="unit",
    )
    mono = next(t for t in table["source"].unique() if "CD14" in t)
    rows = table[(table["ligand"] == "CXCL10") & (table["receptor"] == "CXCR3")]
    rows = rows[rows["source"] == mono]
    row = rows.set_index("target").loc["CD4 T cells"]
    assert row["effect"] == 1
    assert row["fdr"] < 0.02
