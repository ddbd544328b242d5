from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cartscope.io._features import feature_table
from cartscope.io._join import GrowingCounts, join_features


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_growing_and_renumbering_is_stacking_of_renumbered_samples(seed, sizes) -> None:
    rng = np.random.default_rng(seed)
    growing, parts, columns = GrowingCounts(), [], []
    for n in sizes:
        width = int(rng.integers(1, 8))
        large = rng.choice([3, 300, 70_000])
        dense = rng.integers(0, large, (n, width)) * (rng.random((n, width)) < 0.5)
        dtype = np.min_scalar_type(int(dense.max(initial=0)))
        growing.append(sparse.csr_matrix(dense.astype(dtype)))
        to = np.full(width, -1, np.int32)
        kept = rng.permutation(width)[: rng.integers(0, width + 1)]
        to[kept] = rng.permutation(9)[: kept.size]
        wanted = np.zeros((n, 9), dtype=np.int64)
        wanted[:, to[kept]] = dense[:, kept]
        parts.append(wanted)
        columns.append((to, dense))
    matrix, lost = growing.finish([to for to, _ in columns], 9)
    np.testing.assert_array_equal(matrix.toarray(), np.vstack(parts))
    assert lost == [int(dense[:, to < 0].sum()) for to, dense in columns]
    assert matrix.indices.dtype == np.int32
    assert matrix.dtype.kind == "u"
    assert sparse.csr_matrix(
        (matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape
    ).has_canonical_format


def test_arrays_grow_in_place_and_only_by_what_they_need() -> None:
    growing = GrowingCounts()
    for _ in range(4):
        growing.append(sparse.csr_matrix(np.eye(50, dtype=np.uint8)))
    assert growing.data.size == growing.indices.size == 200
    assert growing.data.dtype == np.uint8
    growing.append(sparse.csr_matrix(np.eye(2, dtype=np.uint32)))
    assert growing.data.dtype == np.uint32


def test_samples_of_one_feature_table_are_not_renumbered() -> None:
    table = feature_table(["ENSG1", "ENSG2"], ["A", "B"])
    joined = join_features([table, table], [{}, {}], ["s", "t"])
    for columns in joined.columns:
        np.testing.assert_array_equal(columns, [0, 1])
    assert joined.report["features_dropped"] == []


def test_versions_of_gencode_do_not_part_a_gene() -> None:
    one = feature_table(["ENSG00000141510.17"], ["TP53"])
    two = feature_table(["ENSG00000141510"], ["TP53"])
    assert len(join_features([one, two], [{}, {}], ["s", "t"]).features) == 1


def test_a_gene_that_was_renamed_is_joined_by_its_id_and_named_by_the_first_sample() -> None:
    one = feature_table(["ENSG00000111640"], ["OLD"])
    two = feature_table(["ENSG00000111640"], ["NEW"])
    assert join_features([one, two], [{}, {}], ["s", "t"]).features["symbol"].tolist() == ["OLD"]
    # an id in the symbol's place is no name
    bare = feature_table(["ENSG00000111640"], ["ENSG00000111640"])
    joined = join_features([bare, two], [{}, {}], ["s", "t"])
    assert joined.features["symbol"].tolist() == ["NEW"]


def test_genes_of_one_symbol_stay_apart() -> None:
    one = feature_table(["ENSG00000284770", "ENSG00000285053"], ["TBCE", "TBCE"])
    two = feature_table(["ENSG00000285053", "ENSG00000284770"], ["TBCE", "TBCE"])
    joined = join_features([one, two], [{}, {}], ["s", "t"])
    np.testing.assert_array_equal(joined.columns[1], [1, 0])


def test_a_car_feature_that_stands_in_some_samples_only_is_kept() -> None:
    one = feature_table(["ENSG00000111640", "Yescarta"], ["GAPDH", "Yescarta"])
    two = feature_table(["ENSG00000111640"], ["GAPDH"])
    joined = join_features([one, two], [{"yescarta": [1]}, {"yescarta": []}], ["s", "t"])
    assert joined.features["symbol"].tolist() == ["GAPDH", "Yescarta"]
    assert joined.car == {"yescarta": [1]}
    without = join_features([one, two], [{}, {}], ["s", "t"])
    assert without.features["symbol"].tolist() == ["GAPDH"]
    assert without.report["features_dropped"] == ["Yescarta"]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_what_is_kept_does_not_depend_on_the_order_of_samples(order) -> None:
    tables = [
        feature_table(["ENSG00000000001", "ENSG00000000002"], ["A", "B"]),
        feature_table(["A", "B", "C"], ["A", "B", "C"]),
        feature_table(["ENSG00000000002", "ENSG00000000001"], ["B", "A"]),
    ]
    joined = join_features([tables[i] for i in order], [{}] * 3, [str(i) for i in order])
    kept = dict(zip(joined.features["symbol"], joined.features["id"], strict=True))
    assert kept == {"A": "ENSG00000000001", "B": "ENSG00000000002"}
    assert joined.report["features_dropped"] == ["C"]


def test_a_sample_that_needs_no_renumbering_still_moves_up_after_one_that_shrank() -> None:
    growing = GrowingCounts()
    first = np.array([[1, 2, 3], [4, 0, 5]])
    second = np.array([[6, 7], [0, 8]])
    for dense in (first, second):
        growing.append(sparse.csr_matrix(dense.astype(np.uint8)))
    matrix, lost = growing.finish([np.array([0, -1, 1], np.int32), np.array([0, 1], np.int32)], 2)
    np.testing.assert_array_equal(matrix.toarray(), [[1, 3], [4, 5], [6, 7], [0, 8]])
    assert lost == [2, 0]


def test_a_symbol_of_several_genes_joins_none_of_them() -> None:
    named = feature_table(["ENSG1", "ENSG2", "ENSG3"], ["TBCE", "TBCE", "LYZ"])
    bare = feature_table(["TBCE", "LYZ"], ["TBCE", "LYZ"])
    joined = join_features([named, bare], [{}, {}], ["s", "t"])
    assert joined.features["symbol"].tolist() == ["LYZ"]
    assert joined.report["symbols_ambiguous"] == ["TBCE"]
    assert joined.report["features_dropped"] == ["ENSG1", "ENSG2"]
