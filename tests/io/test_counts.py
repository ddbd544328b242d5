from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cartscope._errors import InputError
from cartscope.io._counts import as_counts, canonical, smallest_unsigned


@pytest.mark.parametrize(
    ("largest", "dtype"),
    [(0, np.uint8), (255, np.uint8), (256, np.uint16), (2**16, np.uint32), (2**32, np.uint64)],
)
def test_the_smallest_type(largest, dtype) -> None:
    assert smallest_unsigned(largest) is dtype


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([1.0, np.nan], r"nan, which is missing \(nan\)"),
        ([1.0, np.inf], "inf, which is infinite"),
        ([1.0, 2.25], "2.25, which is fractional"),
        ([1.0, -3.0], "-3, which is negative"),
        ([1, -3], "-3, which is negative"),
    ],
)
def test_what_is_no_count_is_named(values, what) -> None:
    with pytest.raises(InputError, match=f"f.mtx: holds the value {what}; give raw counts"):
        as_counts(np.array(values), label="f.mtx")


def test_a_bad_value_beyond_the_first_block_is_found(monkeypatch) -> None:
    monkeypatch.setattr("cartscope.io._counts._BLOCK", 4)
    values = np.ones(10)
    values[9] = 0.5
    with pytest.raises(InputError, match="fractional"):
        as_counts(values, label="f")
    values[9] = 300
    assert as_counts(values, label="f").dtype == np.uint16


def test_complex_and_text_are_no_counts() -> None:
    with pytest.raises(InputError, match="holds values of type complex128, not counts"):
        as_counts(np.array([1j]), label="f")


@pytest.mark.parametrize("kind", ["coo", "csc", "csr"])
def test_every_format_becomes_sorted_csr_without_zeros(rng, kind) -> None:
    dense = rng.poisson(0.5, (30, 20))
    dense[4] = 0
    matrix = sparse.coo_matrix(dense).asformat(kind)
    out = canonical(matrix, label="f")
    np.testing.assert_array_equal(out.toarray(), dense)
    assert out.has_canonical_format
    assert out.indices.dtype == np.int32


def test_unsorted_rows_are_sorted_and_stored_zeros_taken_out() -> None:
    given = (np.array([5, 0, 3, 2]), np.array([4, 2, 1, 0]), np.array([0, 3, 3, 4]))
    matrix = sparse.csr_matrix(given, shape=(3, 5))
    out = canonical(matrix, label="f")
    assert out.indices.tolist() == [1, 4, 0]
    assert out.data.tolist() == [3, 5, 2]
    assert out.indptr.tolist() == [0, 2, 2, 3]


def test_entries_given_twice_are_found_also_at_the_ends_of_rows() -> None:
    good = sparse.csr_matrix(
        (np.ones(4, int), np.array([0, 1, 1, 2]), np.array([0, 0, 2, 2, 4])), shape=(4, 3)
    )
    np.testing.assert_array_equal(canonical(good, label="f").toarray(), good.toarray())
    bad = sparse.csr_matrix(
        (np.ones(3, int), np.array([0, 2, 2]), np.array([0, 1, 3])), shape=(2, 3)
    )
    with pytest.raises(InputError, match="f: gives some entries twice"):
        canonical(bad, label="f")
