from __future__ import annotations

import gzip
import io

import numpy as np
import scipy.io
import scipy.sparse as sp

from cartscope.simulate._kernel import alias_table, matrix_market_lines
from cartscope.simulate._write import _matrix, features_text


def test_a_matrix_of_several_blocks_is_read_back(generator):
    # more rows than are formatted at a time, counts of one to six digits, empty rows
    counts = sp.random(4500, 70, density=0.1, format="csr", random_state=generator)
    counts.data = 10 ** generator.integers(0, 6, counts.nnz) + generator.integers(0, 9, counts.nnz)
    counts = sp.csr_matrix(counts, dtype=np.int64)
    read = scipy.io.mmread(io.BytesIO(gzip.decompress(_matrix(counts))))
    assert read.shape == (70, 4500)
    assert (sp.csr_matrix(read.T) != counts).nnz == 0


def test_a_matrix_without_counts():
    read = scipy.io.mmread(
        io.BytesIO(gzip.decompress(_matrix(sp.csr_matrix((3, 4), dtype=np.int64))))
    )
    assert read.nnz == 0
    lines = matrix_market_lines(
        np.zeros(2, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32), 0
    )
    assert len(lines) == 0


def test_features_are_cell_rangers():
    rows = [line.split("\t") for line in features_text().decode().splitlines()]
    assert {len(r) for r in rows} == {3}
    assert rows[0] == ["ENSG00000243485", "MIR1302-2HG", "Gene Expression"]
    assert len({r[0] for r in rows}) == len(rows)


def test_alias_draws_follow_their_weights(generator):
    weight = generator.gamma(0.3, size=200)
    weight[:20] = 0
    threshold, other = alias_table(weight)
    # the chance of entry i: its own threshold, and what others pass on to it
    chance = threshold.astype(float).copy()
    np.add.at(chance, other, 1 - threshold.astype(float))
    np.testing.assert_allclose(chance / len(weight), weight / weight.sum(), atol=1e-6)
