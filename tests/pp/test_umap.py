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


def test_the_import_warning_of_umap_does_not_reach_the_user():
    code = (
        "import numpy as np, warnings\n"
        "from scipy import sparse\n"
        "warnings.simplefilter('error')\n"
        "from cartscope.pp._umap import layout\n"
        "g = sparse.random(40, 40, 0.3, random_state=0); g = (g + g.T).tocsr()\n"
        "layout(g, np.random.default_rng(0).normal(size=(40, 2)).astype('f4'), n_epochs=2)\n"
        "assert warnings.filters[0][0] == 'error'\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_errors(embedded):
    with pytest.raises(MissingKeyError, match=r"adata.obsm\['X_pcb'\] is missing"):
        cs.pp.umap(embedded, init="X_pcb")
    del embedded.obsp["connectivities"]
    with pytest.raises(MissingKeyError, match=r"run cs.pp.neighbors first"):
        cs.pp.umap(embedded)
