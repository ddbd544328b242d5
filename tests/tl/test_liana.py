from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cartscope._errors import InputError
from cartscope.tl import liana_rank_aggregate

PAIRS = pd.DataFrame({"ligand": ["CXCL10", "RETN", "CCL5"], "receptor": ["CXCR3", "CAP1", "CCR5"]})


@pytest.fixture
def cells(rng) -> ad.AnnData:
    genes = ["CXCL10", "CXCR3", "RETN", "CAP1", "CCL5", "CCR5", *[f"G{i}" for i in range(30)]]
    x = rng.gamma(1, 0.5, (120, len(genes))) * (rng.random((120, len(genes))) < 0.5)
    mono = np.arange(120) < 60
    x[mono, 0] += 3
    x[~mono, 1] += 3
    obs = pd.DataFrame({"type": np.where(mono, "mono", "T")}, index=[f"c{i}" for i in range(120)])
    return ad.AnnData(sparse.csr_matrix(x), obs=obs, var=pd.DataFrame(index=genes))


def test_the_planted_pair_ranks_first_and_the_cells_stay_as_they_are(cells):
    before = cells.copy()
    table = liana_rank_aggregate(cells, groupby="type", resource=PAIRS, n_perms=50)
    first = table.sort_values("magnitude_rank").iloc[0]
    assert first[["source", "target"]].tolist() == ["mono", "T"]
    assert first[["ligand_complex", "receptor_complex"]].tolist() == ["CXCL10", "CXCR3"]
    assert (cells.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert not cells.uns
    again = liana_rank_aggregate(cells, groupby="type", resource=PAIRS, n_perms=50)
    pd.testing.assert_frame_equal(table, again)


def test_errors(cells):
    with pytest.raises(InputError, match="no population of obs"):
        liana_rank_aggregate(cells, groupby="type", resource=PAIRS, min_cells=100)
    nowhere = pd.DataFrame({"ligand": ["A"], "receptor": ["B"]})
    with pytest.raises(InputError, match="no pair of the resource"):
        liana_rank_aggregate(cells, groupby="type", resource=nowhere)
