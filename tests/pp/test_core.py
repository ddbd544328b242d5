from __future__ import annotations

import threading

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cartscope._errors import InputError
from cartscope.pp._core import blocks, group_codes, match_genes, ordered_map


@pytest.mark.parametrize("as_category", [True, False])
def test_codes_are_int64_because_pandas_int8_overflows_in_products(as_category):
    names = [f"s{i:03d}" for i in range(100)]
    values = pd.Categorical(names) if as_category else names
    adata = ad.AnnData(obs=pd.DataFrame({"sample": values}, index=names))
    codes, found = group_codes(adata, "sample")
    assert found == names
    assert codes.dtype == np.int64
    assert (codes * 11)[-1] == 99 * 11


def test_unused_categories_are_no_groups():
    obs = pd.DataFrame({"sample": pd.Categorical(["b", "b"], categories=["a", "b"])})
    obs.index = ["x", "y"]
    codes, found = group_codes(ad.AnnData(obs=obs), "sample")
    assert found == ["b"]
    assert codes.tolist() == [0, 0]


def test_results_come_in_order_whichever_thread_is_first():
    last = threading.Event()

    def work(unit):
        if unit == 0:
            last.wait(5)
        if unit == 1:
            last.set()
        return unit

    assert list(ordered_map(work, range(6), n_jobs=2)) == list(range(6))


def test_an_error_in_a_thread_reaches_the_caller():
    def work(unit):
        raise InputError("broken unit")

    with pytest.raises(InputError, match="broken unit"):
        list(ordered_map(work, range(3), n_jobs=2))


def test_blocks_cover_every_row_once():
    assert list(blocks(7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert list(blocks(0, 3)) == []


def test_a_gene_pattern_matches_the_whole_symbol():
    assert match_genes(["MT-CO1", "AMT-1", "XIST"], ["MT-.*", "XIST"]).tolist() == [
        True,
        False,
        True,
    ]
