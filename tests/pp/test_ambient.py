from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope._schema import AMBIENT
from cartscope.pp._ambient import ambient_share

EXCLUSIVE = {"T": ["CD3D", "CD3E"], "monocyte": ["LYZ", "CD14"], "B": ["MS4A1"]}


def library(share: float, n=1500, car=0.0, seed=0) -> ad.AnnData:
    """SIMULATED: three types; a share of each cell's RNA is the library's mean."""
    rng = np.random.default_rng(seed)
    genes = ["CD3D", "CD3E", "LYZ", "CD14", "MS4A1", "Yescarta", *[f"G{i}" for i in range(60)]]
    profile = np.tile(rng.gamma(1.0, 1.0, len(genes)), (3, 1))
    profile[:, :6] = 0
    profile[0, [0, 1]] = 3
    profile[1, [2, 3]] = [8, 2]
    profile[2, 4] = 4
    profile /= profile.sum(axis=1, keepdims=True)
    kind = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    depth = rng.lognormal(7.5, 0.3, n)
    is_car = (kind == 0) & (rng.random(n) < 0.3)
    own = profile[kind]
    own[is_car, 5] = car
    mean = own.mean(axis=0)
    counts = rng.poisson(((1 - share) * own + share * mean) * depth[:, None])
    adata = ad.AnnData(sparse.csr_matrix(counts), var=pd.DataFrame(index=genes))
    adata.obs["sample"] = "s1"
    adata.obs["cell_type"] = np.array(["T", "monocyte", "B"])[kind]
    adata.obs["is_car"] = is_car
    return adata


@pytest.mark.parametrize("share", [0.0, 0.03, 0.1, 0.25])
def test_the_planted_share_is_found(share):
    table = AMBIENT.check(cs.pp.ambient(library(share), exclusive=EXCLUSIVE, car_features=[]))
    assert table["ambient_share"].item() == pytest.approx(share, abs=0.1 * share + 0.002)
    assert table["n_genes"].item() == 5
    assert table["reason"].item() == "no CAR feature among the genes"


@pytest.mark.parametrize(("depth", "n"), [(500, 300), (2000, 1000)])
def test_many_genes_that_bound_alike_are_not_judged_by_the_lowest(depth, n):
    """Of 48 pairs the one with the fewest counts by chance said 0.033 for 0.05, with a limit
    that lay below the truth in every second library."""
    rng, share, of_each = np.random.default_rng(0), 0.05, 8
    own = np.zeros((3, 3 * of_each + 1))
    for i in range(3):
        own[i, i * of_each : (i + 1) * of_each] = 0.004
    own[:, -1] = 1 - own.sum(axis=1)
    own *= np.array([[0.5], [0.3], [0.2]]) * n * depth
    soup = own.sum(axis=0) / own.sum()
    mean = (1 - share) * own + share * soup * own.sum(axis=1, keepdims=True)
    owners = {i: [i // of_each] for i in range(3 * of_each)}
    told = np.array([ambient_share(rng.poisson(mean), owners)[:2] for _ in range(200)])
    assert told[:, 0].mean() == pytest.approx(share, rel=0.08)
    assert (told[:, 1] > share).mean() > 0.93
    assert (told[:, 0] < told[:, 1]).all()


def test_genes_that_others_express_as_much_bound_nothing():
    sums = np.array([[6000.0, 0.0, 4000.0], [5900.0, 0.0, 100.0]])
    share, high, n, _ = ambient_share(sums, {0: [0]})
    assert (share, high, n) == (1.0, 1.0, 1)


def test_cells_with_a_car_umi_from_ambient_rna_alone():
    adata = library(0.1, car=0.003)
    row = cs.pp.ambient(adata, exclusive=EXCLUSIVE, car_features=["Yescarta"]).iloc[0]
    positive = adata[:, "Yescarta"].X.toarray().ravel() > 0
    false = positive & ~adata.obs["is_car"].to_numpy()
    clean = library(0.1, car=0.0)
    assert row["n_car"] == positive.sum()
    expected = false.sum() / (~adata.obs["is_car"]).mean()  # it falls on CAR T cells as well
    assert row["n_car_ambient"] == pytest.approx(expected, rel=0.2)
    assert 0 < row["car_from_ambient"] < 1
    none = cs.pp.ambient(clean, exclusive=EXCLUSIVE, car_features=["Yescarta"]).iloc[0]
    assert none["n_car"] == 0
    assert np.isnan(none["car_from_ambient"])


def test_a_gene_expressed_elsewhere_after_all_does_not_decide():
    adata = library(0.05)
    wrong = {**EXCLUSIVE, "B": ["MS4A1", "G3"]}  # G3 is in every type
    row = cs.pp.ambient(adata, exclusive=wrong, car_features=[]).iloc[0]
    assert row["ambient_share"] == pytest.approx(0.05, abs=0.02)


def test_car_features_of_the_object_are_the_default():
    adata = library(0.05, car=0.003)
    adata.uns["cartscope"] = {"car_features": ["Yescarta"]}
    row = cs.pp.ambient(adata, exclusive=EXCLUSIVE).iloc[0]
    assert row["car_share"] > 0


def test_libraries_without_an_estimate_say_why():
    adata = library(0.05)
    n = adata.n_obs
    adata.obs["sample"] = np.where(np.arange(n) < 20, "tiny", "s1")
    product = library(0.05, n=200, seed=1)
    product.obs["sample"], product.obs["cell_type"] = "product", "T"
    both = ad.concat([adata, product], index_unique="-")
    table = cs.pp.ambient(both, exclusive=EXCLUSIVE, car_features=[]).set_index("sample")
    assert table.loc["tiny", "reason"] == "20 cells of a known type, below 50"
    assert np.isnan(table.loc["tiny", "ambient_share"])
    assert table.loc["s1", "ambient_share"] == pytest.approx(0.05, abs=0.01)
    # a product of T cells alone: no other type shows what is ambient
    assert np.isnan(table.loc["product", "ambient_share"])
    assert table.loc["product", "reason"] == "too few counts of genes of other types"


@pytest.mark.parametrize("share", [0.03, 0.1, 0.25])
def test_the_ambient_share_of_car_reads_is_seen_in_control_cells(share):
    adata = library(share, n=4000, car=0.01)
    how = {"exclusive": EXCLUSIVE, "car_features": ["Yescarta"], "controls": ["monocyte", "B"]}
    row = cs.pp.ambient(adata, **how).iloc[0]
    assert row["reason"] == ""
    # CAR UMI are as much ambient as any other gene's here
    assert row["car_reads_ambient"] == pytest.approx(share, rel=0.2)
    assert row["car_reads_ambient"] < row["car_reads_ambient_high"] < 1.5 * share
    adata.obs["sorted"] = True
    row = cs.pp.ambient(adata, **how).iloc[0]
    assert row["reason"] == "sorted for the CAR, so its control cells are none"
    assert np.isnan(row["car_reads_ambient"])
    few = adata[(adata.obs["cell_type"] == "T").to_numpy() | (np.arange(adata.n_obs) < 30)].copy()
    few.obs["sorted"] = "false"
    n = (few.obs["cell_type"] != "T").sum()
    row = cs.pp.ambient(few, **how).iloc[0]
    assert row["reason"].endswith(f"{n} control cells, below 20")


def test_no_control_cell_with_a_count_is_not_no_ambient_rna():
    adata = library(0.0, car=0.01)
    row = cs.pp.ambient(
        adata, exclusive=EXCLUSIVE, car_features=["Yescarta"], controls=["monocyte", "B"]
    ).iloc[0]
    assert row["car_reads_ambient"] == 0
    assert 0 < row["car_reads_ambient_high"] < 0.05


def test_few_counts_of_other_types_are_not_estimable():
    adata = library(0.05, n=4000)
    keep = (adata.obs["cell_type"] == "T").to_numpy()
    keep[np.flatnonzero(~keep)[:3]] = True
    adata.X.data = np.random.default_rng(0).binomial(adata.X.data.astype(int), 0.1)
    row = cs.pp.ambient(adata[keep].copy(), exclusive=EXCLUSIVE, car_features=[]).iloc[0]
    assert np.isnan(row["ambient_share"])
    assert row["ambient_share_high"] > 0.05
    assert row["reason"].startswith("counts of genes of other types allow any ambient share to 0.")


def test_input_is_untouched():
    adata = library(0.05)
    before = adata.copy()
    cs.pp.ambient(adata, exclusive=EXCLUSIVE, car_features=["Yescarta"])
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert (adata.X != before.X).nnz == 0


def test_errors():
    adata = library(0.05)
    with pytest.raises(InputError, match=r"none of the genes \['A', 'B'\] is in"):
        cs.pp.ambient(adata, exclusive={"T": ["A"], "B": ["B"]})
    with pytest.raises(InputError, match="at least two cell types"):
        cs.pp.ambient(adata, exclusive={"T": ["CD3D"]})
    with pytest.raises(InputError, match=r"car_features \['CAR'\] are not in"):
        cs.pp.ambient(adata, exclusive=EXCLUSIVE, car_features=["CAR"])
    with pytest.raises(MissingKeyError, match=r"run cs.tl.annotate first"):
        cs.pp.ambient(adata, exclusive=EXCLUSIVE, cell_type_key="type")
