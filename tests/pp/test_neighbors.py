from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import cartscope as cs
from cartscope._errors import InputError, MissingKeyError
from cartscope.pp._knn import nearest


def points_only(points) -> ad.AnnData:
    obs = pd.DataFrame(index=[f"c{i}" for i in range(len(points))])
    return ad.AnnData(obs=obs, obsm={"X_pca": np.asarray(points, dtype=np.float32)})


def by_brute_force(points, n):
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    order = np.argsort(distance, axis=1, kind="stable")[:, :n]
    return order, np.take_along_axis(distance, order, axis=1)


def test_exact_neighbors_equal_all_pairs(rng):
    points = rng.normal(size=(300, 8)).astype(np.float32)
    indices, distances = nearest(points, 12)
    expected, their_distances = by_brute_force(points.astype(np.float64), 12)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(distances, their_distances, rtol=1e-5)


def test_graph_solves_umaps_equation(rng):
    from scipy.optimize import brentq

    points = rng.normal(size=(80, 5))
    indices, distances = by_brute_force(points, 10)
    directed = np.zeros((80, 80))
    for i in range(80):
        over = distances[i, 1:] - distances[i, 1]
        sigma = brentq(lambda s, over=over: np.exp(-over / s).sum() - np.log2(10), 1e-3, 1e3)
        directed[i, indices[i, 1:]] = np.exp(-over / sigma)
    expected = directed + directed.T - directed * directed.T
    adata = points_only(points)
    cs.pp.neighbors(adata, n_neighbors=10, use_rep="X_pca")
    np.testing.assert_allclose(adata.obsp["connectivities"].toarray(), expected, atol=1e-3)


@pytest.mark.slow  # compiles umap-learn
def test_graph_equals_scanpys(rng):
    import scanpy as sc

    centers = rng.normal(size=(5, 10)) * 4
    points = centers[rng.integers(0, 5, 700)] + rng.normal(size=(700, 10))
    adata = points_only(points)
    other = adata.copy()
    sc.pp.neighbors(other, n_neighbors=15, use_rep="X_pca", transformer="sklearn")
    cs.pp.neighbors(adata, n_neighbors=15, use_rep="X_pca")
    for key in ("distances", "connectivities"):
        ours, theirs = adata.obsp[key], other.obsp[key]
        assert ours.nnz == theirs.nnz
        assert abs(ours - theirs).max() < 1e-4


def test_copies_of_a_cell(rng):
    points = rng.normal(size=(60, 4))
    points[10:40] = points[10]  # more copies than neighbors are asked for
    indices, distances = nearest(points, 8)
    np.testing.assert_array_equal(indices[:, 0], np.arange(60))
    assert (distances[10:40] == 0).all()
    adata = points_only(points)
    cs.pp.neighbors(adata, n_neighbors=8, use_rep="X_pca")
    graph = adata.obsp["connectivities"]
    assert np.isfinite(graph.data).all()
    assert graph.data.min() > 0
    assert graph.data.max() <= 1
    assert abs(graph - graph.T).max() == 0
    assert graph.diagonal().sum() == 0


def test_pynndescent_0_7_breaks_scanpys_neighbors_above_8192_cells_not_ours(rng):
    # smaller data take an exact path and hide it
    points = rng.normal(size=(9000, 6)).astype(np.float32)
    adata = points_only(points)
    cs.pp.neighbors(adata, n_neighbors=10, use_rep="X_pca")
    assert adata.obsp["distances"].nnz == 9000 * 9
    assert adata.obsp["connectivities"].shape == (9000, 9000)


def test_inverted_file_finds_what_all_pairs_do(rng):
    points = rng.normal(size=(8000, 16)).astype("f4")  # no clusters: as hard as it gets
    exact, _ = nearest(points, 15, exact=True)
    quick, distances = nearest(points, 15, exact=False)
    recall = np.mean([np.isin(a, b).mean() for a, b in zip(exact, quick, strict=True)])
    assert recall > 0.95
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (quick >= 0).all()


@pytest.mark.parametrize("exact", [True, False])
def test_same_bytes_with_any_number_of_threads(rng, exact):
    points = rng.normal(size=(5000, 10)).astype(np.float32)
    one = nearest(points, 15, exact=exact, seed=1, n_jobs=1)
    three = nearest(points, 15, exact=exact, seed=1, n_jobs=3)
    np.testing.assert_array_equal(one[0], three[0])
    np.testing.assert_array_equal(one[1], three[1])


def test_leading_components_only(rng):
    points = rng.normal(size=(200, 6))
    adata, narrow = points_only(points), points_only(points[:, :3])
    cs.pp.neighbors(adata, use_rep="X_pca", n_pcs=3)
    cs.pp.neighbors(narrow, use_rep="X_pca")
    assert (adata.obsp["distances"] != narrow.obsp["distances"]).nnz == 0


def test_cosine_does_not_see_length(rng):
    points = rng.normal(size=(200, 6))
    adata = points_only(points)
    longer = points_only(points * rng.uniform(1, 9, size=(200, 1)))
    for each in (adata, longer):
        cs.pp.neighbors(each, use_rep="X_pca", metric="cosine")
    assert abs(adata.obsp["distances"] - longer.obsp["distances"]).max() < 1e-4
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    row, column = (int(i) for i in sparse.find(adata.obsp["distances"])[:2][0][:1].repeat(2))
    column = adata.obsp["distances"][row].indices[0]
    assert adata.obsp["distances"][row, column] == pytest.approx(
        1 - unit[row] @ unit[column], abs=1e-4
    )


def test_scanpy_reads_the_slots(embedded):
    import scanpy as sc

    sc.tl.leiden(embedded, flavor="igraph", n_iterations=2, directed=False)
    assert embedded.obs["leiden"].nunique() > 1
    assert embedded.uns["neighbors"]["params"]["n_neighbors"] == 10


def test_survives_h5ad(embedded, tmp_path):
    embedded.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    assert back.uns["cartscope"]["neighbors"]["n_neighbors"] == 10
    assert (back.obsp["connectivities"] != embedded.obsp["connectivities"]).nnz == 0


def test_errors(rng):
    adata = points_only(rng.normal(size=(20, 3)))
    with pytest.raises(MissingKeyError, match=r"run cs.pp.pca or cs.pp.harmony first"):
        cs.pp.neighbors(adata)
    with pytest.raises(InputError, match="n_neighbors is 30, but must be 2 to 20"):
        cs.pp.neighbors(adata, use_rep="X_pca", n_neighbors=30)
    with pytest.raises(InputError, match="n_pcs is 9, but obsm"):
        cs.pp.neighbors(adata, use_rep="X_pca", n_neighbors=5, n_pcs=9)
    with pytest.raises(InputError, match="metric is 'manhattan', but must be one of"):
        cs.pp.neighbors(adata, use_rep="X_pca", metric="manhattan")
    adata.obsm["X_pca"][0, 0] = np.nan
    with pytest.raises(InputError, match="missing or infinite values"):
        cs.pp.neighbors(adata, use_rep="X_pca", n_neighbors=5)
