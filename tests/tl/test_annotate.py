from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError

MARKERS = {
    "T": {"positive": ["CD3D", "CD3E", "CD3G"], "negative": ["LYZ"], "level": 4.0},
    "NK": {"positive": ["NKG7", "GNLY", "KLRD1"], "negative": ["CD3D", "CD3E"], "level": 4.0},
    "B": {"positive": ["CD79A", "MS4A1"], "level": 4.0},
    "CD14 monocyte": {"positive": ["CD14", "LYZ", "S100A8"], "level": 4.0},
}


def add_graph(adata, k=10):
    from cartscope.tl._expression import nearest

    graph = nearest(adata.obsm["X_pca"], k)
    graph.setdiag(0)
    adata.obsp["connectivities"] = graph
    return adata


def test_clusters_get_their_planted_type(planted):
    adata = planted.copy()
    cs.tl.annotate(adata, markers=MARKERS)
    assert (adata.obs["cell_type"].astype(str) == adata.obs["truth"]).all()
    assert adata.obs["cell_type_score"].between(0.6, 1.6).all()
    assert (adata.obs["cell_type_margin"] > 0.3).all()


def test_labels_rest_on_expression_not_on_cluster_names(planted):
    one, two = planted.copy(), planted.copy()
    two.obs["leiden"] = two.obs["leiden"].map({"0": "z", "1": "9", "2": "a", "3": "0"})
    cs.tl.annotate(one, markers=MARKERS)
    cs.tl.annotate(two, markers=MARKERS)
    assert (one.obs["cell_type"] == two.obs["cell_type"]).all()


def test_a_cluster_of_t_and_nk_cells_is_split(planted):
    adata = planted.copy()
    adata.obs["leiden"] = adata.obs["leiden"].replace({"1": "0"})
    without = cs.tl.annotate(adata, markers=MARKERS, copy=True)
    assert adjusted_rand_score(without.obs["truth"], without.obs["cell_type"]) < 0.95
    cs.tl.annotate(add_graph(adata), markers=MARKERS)
    assert adjusted_rand_score(adata.obs["truth"], adata.obs["cell_type"]) > 0.99


def test_nothing_wins_unassigned(planted):
    adata = planted.copy()
    only_b = {"B": MARKERS["B"]}
    cs.tl.annotate(adata, markers=only_b)
    assert set(adata.obs["cell_type"]) == {"B", "unassigned"}
    assert (adata.obs["truth"][adata.obs["cell_type"] == "B"] == "B").all()
    twins = {"B": MARKERS["B"], "B too": MARKERS["B"]}
    cs.tl.annotate(adata, markers=twins)
    assert set(adata.obs["cell_type"]) == {"unassigned"}


def test_a_type_is_found_only_where_it_can_occur(planted):
    adata = planted.copy()
    markers = {**MARKERS, "odd": {**MARKERS["B"], "level": 3.0, "only_in": {"sample": ["none"]}}}
    cs.tl.annotate(adata, markers=markers)
    assert set(adata.obs["sample"][adata.obs["cell_type"] == "odd"]) == {"none"}
    nowhere = {**markers, "odd": {**markers["odd"], "only_in": {"absent": ["x"]}}}
    cs.tl.annotate(adata, markers=nowhere)
    assert "odd" not in set(adata.obs["cell_type"])


def test_one_abundant_transcript_is_not_a_cell_type(planted):
    """HBB from burst red cells lies on every cell of a sample."""
    adata = planted.copy()
    hbb = np.full((adata.n_obs, 1), 6.0, dtype=np.float32)
    adata.X = sparse.csr_matrix(adata.X)
    import anndata as ad

    extra = ad.AnnData(sparse.csr_matrix(hbb), obs=adata.obs[[]], var=pd.DataFrame(index=["HBB"]))
    both = ad.concat([adata, extra], axis=1, merge="first")
    both.obs = adata.obs
    more = pd.DataFrame(index=["HBA1", "HBA2", "AHSP", "ALAS2"])
    none = ad.AnnData(sparse.csr_matrix((adata.n_obs, 4), dtype=np.float32), adata.obs[[]], more)
    both = ad.concat([both, none], axis=1, merge="first")
    both.obs = adata.obs
    red = {"positive": ["HBB", "HBA1", "HBA2", "AHSP", "ALAS2"], "level": 3.0}
    cs.tl.annotate(both, markers={**MARKERS, "erythroid": red})
    assert "erythroid" not in set(both.obs["cell_type"])


def test_published_rules_run_on_cluster_means_and_later_ones_win(planted):
    adata = planted.copy()
    rules = [
        {"cell_type": "NK", "gene": "NKG7", "above": 2.0},
        {"cell_type": "lymphocyte", "gene": "NKG7", "above": 2.5},
        {"cell_type": "T", "gene": "CD3D", "above": 0.75},
    ]
    cs.tl.annotate(adata, markers=rules)
    table = pd.crosstab(adata.obs["truth"], adata.obs["cell_type"])
    assert table.loc["NK", "lymphocyte"] > 0
    assert "NK" not in table
    assert table.loc["B", "unassigned"] > 0
    assert adata.obs["cell_type_score"].isna().all()


def test_own_labels_take_the_place(planted):
    adata = planted.copy()
    labels = pd.Series({"c0": "mine", "c1": "yours", "stranger": "x"})
    cs.tl.annotate(adata, markers=MARKERS, labels=labels)
    assert adata.obs["cell_type"].iloc[:2].tolist() == ["mine", "yours"]
    assert (adata.obs["cell_type"].iloc[2:].astype(str) == adata.obs["truth"].iloc[2:]).all()
    assert adata.obs["cell_type_score"].isna().sum() == 2


def test_wrong_input_raises(planted):
    adata = planted.copy()
    with pytest.raises(MissingKeyError, match=r"'clusters'.*run tl.leiden first"):
        cs.tl.annotate(adata, markers=MARKERS, cluster_key="clusters")
    with pytest.raises(InputError, match=r"None of the markers is in adata\.var_names"):
        cs.tl.annotate(adata, markers={"T": ["absent"]})
    with pytest.raises(InputError, match=r"markers\['T'\] must be a list of genes"):
        cs.tl.annotate(adata, markers={"T": {"positif": ["CD3D"]}})
    with pytest.raises(InputError, match="a threshold needs cell_type, gene and above"):
        cs.tl.annotate(adata, markers=[{"cell_type": "T"}])
    with pytest.raises(InputError, match="labels: none of its 1 names is a cell"):
        cs.tl.annotate(adata, markers=MARKERS, labels=pd.Series({"x": "T"}))


def test_copy_leaves_the_input_alone(planted):
    before = planted.obs.copy()
    assert "cell_type" in cs.tl.annotate(planted, markers=MARKERS, copy=True).obs
    pd.testing.assert_frame_equal(planted.obs, before)


@pytest.mark.reference
def test_real_blood_agrees_with_its_authors(kang):
    adata = kang[0].copy()
    cs.pp.variable_genes(adata, n_top=2000, batch_key=None)
    cs.pp.pca(adata, n_comps=30)
    cs.pp.neighbors(adata, use_rep="X_pca")
    cs.tl.leiden(adata)
    manifest = cs.manifest.read_annotation(cs.manifest.manifest_dir() / "annotation.toml")
    cs.tl.annotate(adata, markers=manifest.markers())
    ours, theirs = adata.obs["cell_type"].astype(str), adata.obs["author_cell_type"].astype(str)

    def share(label, *types):
        return ours[theirs == label].isin(types).mean()

    for condition in ("ctrl", "stim"):
        mono = (theirs == "CD14+ Monocytes") & (adata.obs["condition"] == condition)
        assert (ours[mono] == "CD14 monocyte").mean() > 0.9
    assert share("B cells", "B") > 0.95
    assert share("CD4 T cells", "T") > 0.98
    assert share("CD8 T cells", "T", "NK") > 0.95
    assert share("NK cells", "NK", "T") > 0.95
    # the authors' NK cells that are T here have CD3D and CD3G
    x = adata.to_df()[["CD3D", "CD3G"]].mean(axis=1)
    nk = theirs == "NK cells"
    assert x[nk & (ours == "T")].mean() > 5 * x[nk & (ours == "NK")].mean() + 0.2
