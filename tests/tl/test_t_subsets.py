from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse
from sklearn.metrics import balanced_accuracy_score

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope.tl._t_markers import T_MARKERS
from cartscope.tl._t_subset_model import fit_states
from cartscope.tl._t_subsets import Gates, gate_cells


def gate(**values):
    names = ("cd3d", "cd4", "cd8a", "ccr7", "ra", "foxp3", "nkg7")
    base = {"cd3d": 2.0, "cd4": 0.5, "cd8a": 0.0, "ccr7": 0.0, "ra": -9, "foxp3": 0, "nkg7": 0}
    row = np.array([[{**base, **values}[name] for name in names]])
    lineage, subset = gate_cells(row, Gates(ra=0.0))
    return lineage[0], subset[0]


def test_published_gates_are_the_papers():
    assert gate(ccr7=1, ra=1) == ("CD4", "CD4 naive")
    assert gate(ccr7=1) == ("CD4", "CD4 CM")
    assert gate() == ("CD4", "CD4 EM")
    assert gate(ra=1) == ("CD4", "CD4 TEMRA")
    assert gate(cd4=0.1, cd8a=0.75, ra=1) == ("CD8", "CD8 TEMRA")
    assert gate(cd4=0.25) == ("CD4", "CD4 EM")  # at least, not above
    assert gate(cd4=0.1, cd8a=0.74) == ("unassigned", "unassigned")
    assert gate(cd3d=0.75) == ("unassigned", "unassigned")  # above, not at least
    assert gate(foxp3=0.75) == ("CD4", "Treg")
    assert gate(nkg7=1.0) == ("CD4", "CD4 CTL")


def test_ctl_overrides_treg_and_double_positives_stay_in():
    """The group's code looks at CD4 alone for Treg and CTL."""
    assert gate(foxp3=1, nkg7=1) == ("CD4", "CD4 CTL")
    assert gate(cd8a=2.0, nkg7=1) == ("unassigned", "CD4 CTL")


@pytest.fixture(scope="module")
def t_cells():
    """Cells of every subset with the markers of ``T_MARKERS`` up and down, and random others."""
    rng = np.random.default_rng(3)
    genes = list(dict.fromkeys(g for m in T_MARKERS.values() for g in (*m["up"], *m["down"])))
    genes += ["CD3D", *[f"gene{i}" for i in range(200)]]
    subsets = [name for name, m in T_MARKERS.items() if m.get("lineage")]
    rows, truth = [], []
    share = np.array([0.06, 0.2, 0.2, 0.05, 0.05, 0.1, 0.06, 0.1, 0.13, 0.05])
    levels = {}
    for name in subsets:
        level = pd.Series(4.0, index=genes)
        for part in (T_MARKERS[T_MARKERS[name]["lineage"]], T_MARKERS[name]):
            level[list(part["up"])] = 8.0
            level[list(part["down"])] = 0.8
        level["CD4"] = level["CD4"] / 2  # CD4 is sparse in 10x data
        level[[g for g in genes if g.startswith("gene")]] = 10.0
        levels[name] = level.to_numpy() / level.sum()
    for name in rng.choice(subsets, 3000, p=share / share.sum()):
        rows.append(rng.poisson(levels[name] * rng.lognormal(np.log(2500), 0.3)))
        truth.append(name)
    counts = sparse.csr_matrix(np.array(rows, dtype=np.int32))
    obs = pd.DataFrame({"truth": truth, "cell_type": "T"}, index=[f"t{i}" for i in range(3000)])
    obs["sample"] = rng.choice(["a", "b"], 3000)
    adata = AnnData(counts.astype(np.float32), obs=obs, var=pd.DataFrame(index=genes))
    adata.layers["counts"] = counts
    cs.pp.normalize(adata)
    dense = adata.X.toarray()
    u, s, _ = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
    adata.obsm["X_pca"] = (u * s)[:, :15]
    return adata


def test_recommended_finds_planted_subsets(t_cells):
    adata = t_cells.copy()
    cs.tl.t_subsets(adata)
    ours = adata.obs["t_subset"].astype(str)
    assert balanced_accuracy_score(adata.obs["truth"], ours) > 0.9
    lineage = adata.obs["truth"].map({n: m.get("lineage") for n, m in T_MARKERS.items()})
    assert (adata.obs["t_lineage"].astype(str) == lineage).mean() > 0.97


def test_a_rare_subset_keeps_its_name(t_cells):
    """A start that takes all subsets for equally common would name memory cells naive."""
    naive = t_cells.obs["truth"].isin(["CD4 naive", "CD8 naive"])
    few = t_cells[~naive | (np.arange(t_cells.n_obs) % 8 == 0)].copy()
    cs.tl.t_subsets(few)
    named = few.obs["t_subset"].astype(str).isin(["CD4 naive", "CD8 naive"])
    true = few.obs["truth"].isin(["CD4 naive", "CD8 naive"])
    assert (named & true).sum() / named.sum() > 0.7
    assert (named & true).sum() / true.sum() > 0.7


def test_only_t_cells_are_gated(t_cells):
    adata = t_cells.copy()
    adata.obs["cell_type"] = np.where(np.arange(adata.n_obs) % 2, "T", "NK")
    for rule in ("published", "recommended"):
        cs.tl.t_subsets(adata, rule=rule)
        others = adata.obs[adata.obs["cell_type"] == "NK"]
        assert set(others["t_subset"]) == {"unassigned"}
        assert set(others["t_lineage"]) == {"unassigned"}


def test_samples_with_few_t_cells_stay_unassigned(t_cells):
    adata = t_cells[:80].copy()
    adata.obs["sample"] = ["a"] * 49 + ["b"] * 31
    cs.tl.t_subsets(adata, rule="published")
    assert set(adata.obs["t_subset"]) == {"unassigned"}
    cs.tl.t_subsets(adata, rule="published", gates={"min_cells": 40, "cd4": 0, "cd8a": 99})
    assert set(adata.obs["t_lineage"][:49]) == {"CD4"}
    assert set(adata.obs["t_lineage"][49:]) == {"unassigned"}
    cs.tl.t_subsets(adata[:49].copy())  # nothing to fit is no error


def test_published_gates_are_per_sample(t_cells):
    """A sample's calls do not change when another sample joins."""
    alone = t_cells[t_cells.obs["sample"] == "a"].copy()
    both = t_cells.copy()
    for adata in (alone, both):
        cs.tl.t_subsets(adata, rule="published")
    same = both.obs["t_subset"].astype(str)[alone.obs_names]
    assert (same == alone.obs["t_subset"].astype(str)).all()


def test_neighbors_of_the_graph_are_used_where_there_is_one(t_cells):
    adata = t_cells.copy()
    rows = np.arange(adata.n_obs)
    adata.obsp["connectivities"] = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, np.roll(rows, 1))), shape=(len(rows), len(rows))
    )
    del adata.obsm["X_pca"]
    cs.tl.t_subsets(adata)
    assert balanced_accuracy_score(adata.obs["truth"], adata.obs["t_subset"].astype(str)) > 0.75


def test_a_gene_that_bursts_does_not_split_a_state():
    """Counts of one state vary more than Poisson; its low half is no other state."""
    rng = np.random.default_rng(1)
    n, share = 4000, 0.7
    high = np.array([True] * int(n * share) + [False] * int(n * (1 - share)))
    depth = rng.lognormal(np.log(3000), 0.4, len(high))
    mean = np.where(high[:, None], [4.0, 2.0, 0.05], [0.05, 0.05, 1.0]) * depth[:, None] / 3000
    y = rng.poisson(mean * rng.gamma(1 / 1.3, 1.3, mean.shape))
    signs, smooth = np.array([[1, 1, -1], [-1, -1, 1]]), sparse.identity(len(high), format="csr")
    p = fit_states(y, depth, signs, smooth=smooth, apart=0.1)
    some = y.any(axis=1)
    assert ((p[:, 0] > 0.5) == high)[some].mean() > 0.9


@pytest.mark.reference
def test_real_cells_with_cd8_counts_are_not_called_cd4(carpall):
    """Where next to no cell is CD4, the many genes of subsets would overrule CD8A and CD8B."""
    adata = carpall.copy()
    cs.tl.t_subsets(adata)
    raw = adata[:, ["CD4", "CD40LG", "CD8A", "CD8B"]].layers["counts"].toarray()
    t = (adata.obs["cell_type"] == "T").to_numpy()
    is_cd4, is_cd8 = raw[:, :2].sum(axis=1), raw[:, 2:].sum(axis=1)
    lineage = adata.obs["t_lineage"]
    assert (lineage[t & (is_cd8 >= 2) & (is_cd4 == 0)] == "CD4").mean() < 0.01
    assert (lineage[t & (is_cd4 >= 1) & (is_cd8 == 0)] == "CD8").mean() < 0.02
    assert (lineage[t] == "unassigned").mean() < 0.05


def test_states_are_symmetric_under_renaming():
    rng = np.random.default_rng(0)
    y = rng.poisson([[6, 1]] * 100 + [[1, 6]] * 100)
    depth, smooth = np.full(200, 1000.0), sparse.identity(200, format="csr")
    signs = np.array([[1, -1], [-1, 1]])
    p = fit_states(y, depth, signs, smooth=smooth)
    q = fit_states(y, depth, signs[::-1], smooth=smooth)
    np.testing.assert_allclose(p, q[:, ::-1])
    assert (p[:100, 0] > 0.5).mean() > 0.9
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_manifest_holds_the_same_markers_and_gates():
    manifest = cs.manifest.read_annotation(cs.manifest.manifest_dir() / "annotation.toml")
    ours = {name: (m.lineage, m.up, m.down) for name, m in manifest.t_subset.items()}
    theirs = {n: (m.get("lineage", ""), m["up"], m["down"]) for n, m in T_MARKERS.items()}
    assert ours == theirs
    assert Gates(**manifest.gates.model_dump()) == Gates()


def test_wrong_input_raises(t_cells):
    adata = t_cells.copy()
    with pytest.raises(InputError, match=r"rule is 'best'.*must be one of"):
        cs.tl.t_subsets(adata, rule="best")
    with pytest.raises(InputError, match=r"gates: .*fields are"):
        cs.tl.t_subsets(adata, gates={"cd5": 1})
    with pytest.raises(MissingKeyError, match=r"'kind'.*run tl.annotate first"):
        cs.tl.t_subsets(adata, cell_type_key="kind")
    with pytest.raises(InputError, match=r"markers\['CD4'\]: none of the genes that are up"):
        cs.tl.t_subsets(adata, markers={"CD4": {"up": ["x"], "down": []}})
    del adata.obsm["X_pca"]
    with pytest.raises(MissingKeyError, match=r"'X_pca'.*run pp.pca first"):
        cs.tl.t_subsets(adata, rule="published")


def test_copy_leaves_the_input_alone(t_cells):
    before = t_cells.obs.copy()
    assert "t_subset" in cs.tl.t_subsets(t_cells, copy=True).obs
    pd.testing.assert_frame_equal(t_cells.obs, before)
