"""Make pbmc3k.h5, the small real data set of the first notebook, from a count matrix of PBMC 3k.

    python make_pbmc3k.py counts_genes_x_cells.mtx.gz genes.txt.gz cells.txt.gz pbmc3k.h5

The matrix is MatrixMarket, genes x cells, raw counts; the two lists name its rows and columns, one
name a line. Cells are drawn at random to keep the file small; nothing else is changed: every gene
with a count in three or more of the drawn cells stays, and counts stay the integers they were.
The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import h5py
import numpy as np
from scipy import io, sparse

N_CELLS = 2000
MIN_CELLS_PER_GENE = 3
SEED = 0


def read_names(path: Path) -> np.ndarray:
    """Return the lines of a gzipped list."""
    return np.array(gzip.decompress(path.read_bytes()).decode().split())


def main() -> None:
    """Draw the cells and write a Cell Ranger style file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("matrix", "genes", "cells", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()

    counts = sparse.csc_matrix(io.mmread(args.matrix))
    genes, cells = read_names(args.genes), read_names(args.cells)
    if counts.shape != (len(genes), len(cells)):
        raise SystemExit(f"{counts.shape} counts, but {len(genes)} genes and {len(cells)} cells")
    if (counts.data != np.rint(counts.data)).any() or counts.data.min() < 0:
        raise SystemExit(f"{args.matrix} does not hold raw counts")

    drawn = np.sort(np.random.default_rng(SEED).choice(len(cells), N_CELLS, replace=False))
    counts = counts[:, drawn].tocsr()
    detected = counts.getnnz(axis=1)
    # common genes first: neighbouring row numbers compress far better
    order = np.lexsort((genes, -detected))
    order = order[detected[order] >= MIN_CELLS_PER_GENE]
    counts = counts[order].tocsc()
    counts.sort_indices()

    packed = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "chunks": (1 << 20,)}
    with h5py.File(args.out, "w") as file:
        matrix = file.create_group("matrix")
        matrix["shape"] = np.array(counts.shape, dtype=np.int32)
        matrix.create_dataset("data", data=counts.data.astype(np.uint16), **packed)
        matrix.create_dataset("indices", data=counts.indices.astype(np.uint16), **packed)
        matrix["indptr"] = counts.indptr.astype(np.int64)
        text = {"compression": "gzip", "compression_opts": 9}
        matrix.create_dataset("barcodes", data=cells[drawn].astype("S"), **text)
        features = matrix.create_group("features")
        names = genes[order].astype("S")
        # the input has symbols only: an Ensembl id would have to be guessed
        features.create_dataset("id", data=names, **text)
        features.create_dataset("name", data=names, **text)
        kinds = np.full(len(order), b"Gene Expression")
        features.create_dataset("feature_type", data=kinds, **text)
    print(f"{args.out}: {counts.shape[1]} cells x {counts.shape[0]} genes")


if __name__ == "__main__":
    main()
