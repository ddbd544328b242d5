from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import cartscope as cs
from cartscope._errors import MissingKeyError


def test_types_stay_together(embedded):
    from sklearn.neighbors import NearestNeighbors

    cs.pp.umap(embedded, n_epochs=60)
    points = embedded.obsm["X_umap"]
    assert points.shape == (embedded.n_obs, 2)
    near = NearestNeighbors(n_neighbors=10).fit(points).kneighbors(return_distance=False)
    kind = embedded.obs["kind"].cat.codes.to_numpy()
    assert (kind[near] == kind[:, None]).mean() > 0.95


def test_same_bytes_from_the_same_seed(embedded):
    cs.pp.umap(embedded, n_epochs=20, key_added="one")
    cs.pp.umap(embedded, n_epochs=20, key_added="two")
    cs.pp.umap(embedded, n_epochs=20, key_added="other", random_state=1)
    np.testing.assert_array_equal(embedded.obsm["one"], embedded.obsm["two"])
    assert not np.array_equal(embedded.obsm["one"], embedded.obsm["other"])


def test_same_bytes_with_any_number_of_threads(embedded, monkeypatch):
    monkeypatch.setattr("cartscope.pp._umap_layout._BLOCK", 100)
    cs.pp.umap(embedded, n_epochs=20, key_added="one")
    cs.pp.umap(embedded, n_epochs=20, key_added="three", n_jobs=3)
    np.testing.assert_array_equal(embedded.obsm["one"], embedded.obsm["three"])


def test_importing_umap_under_w_error_raises_importwarning_so_it_is_not_imported():
    code = (
        "import numpy as np, sys\n"
        "from scipy import sparse\n"
        "from cartscope.pp._umap_layout import layout\n"
        "g = sparse.random(40, 40, 0.3, random_state=0); g = (g + g.T).tocsr()\n"
        "layout(g, np.random.default_rng(0).normal(size=(40, 2)), n_epochs=2)\n"
        "assert 'umap' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_curve_is_umaps():
    from cartscope.pp._umap_layout import curve

    # values that umap-learn prints for min_dist 0.5 and 0.1
    assert curve(0.5) == pytest.approx((0.583, 1.334), abs=0.002)
    assert curve(0.1) == pytest.approx((1.577, 0.895), abs=0.002)


def test_streams_of_successive_epochs_do_not_overlap():
    # they did once: every epoch pushed a cell away from the same few others
    from cartscope.pp._umap_layout import _next

    def draws(cell, epoch, n=50):
        _, state = _next.py_func(
            np.uint64(7) ^ (np.uint64(cell) << np.uint64(32)) ^ np.uint64(epoch)
        )
        out = []
        for _ in range(n):
            state, bits = _next.py_func(state)
            out.append(int(bits))
        return out

    with np.errstate(over="ignore"):  # the arithmetic is modulo 2**64
        seen = [set(draws(cell, epoch)) for cell in (0, 1, 2) for epoch in (1, 2, 3)]
    assert len(set().union(*seen)) == 9 * 50


@pytest.mark.slow
def test_neighbors_are_kept_as_well_as_umap_learn_keeps_them(embedded):
    import warnings

    from sklearn.manifold import trustworthiness

    from cartscope.pp._umap_layout import curve

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap.umap_ import simplicial_set_embedding

        a, b = curve(0.5)
        start = embedded.obsm["X_pca_harmony"][:, :2]
        theirs, _ = simplicial_set_embedding(
            data=start,
            graph=embedded.obsp["connectivities"].tocoo(),
            n_components=2,
            initial_alpha=1.0,
            a=a,
            b=b,
            gamma=1.0,
            negative_sample_rate=5,
            n_epochs=200,
            init=start,
            random_state=np.random.RandomState(0),
            metric="euclidean",
            metric_kwds={},
            densmap=False,
            densmap_kwds={},
            output_dens=False,
            parallel=False,
        )
    cs.pp.umap(embedded, n_epochs=200)
    high = embedded.obsm["X_pca_harmony"]
    ours = trustworthiness(high, embedded.obsm["X_umap"], n_neighbors=15)
    assert ours > trustworthiness(high, theirs, n_neighbors=15) - 0.01


def test_errors(embedded):
    with pytest.raises(MissingKeyError, match=r"adata.obsm\['X_pcb'\] is missing"):
        cs.pp.umap(embedded, init="X_pcb")
    del embedded.obsp["connectivities"]
    with pytest.raises(MissingKeyError, match=r"run cs.pp.neighbors first"):
        cs.pp.umap(embedded)
