"""Reading and writing: matrices, tables, gene sets and annotated cells."""

from __future__ import annotations

from cartscope.io._cells import cells_path, read_cells, write_cells
from cartscope.io._cohort import read_cohort
from cartscope.io._gene_sets import read_gene_sets
from cartscope.io._grades import apply_grades, read_grades
from cartscope.io._hash import sha256
from cartscope.io._labels import read_labels
from cartscope.io._lr_resources import read_lr_resource, read_lr_table
from cartscope.io._read_10x import read_10x
from cartscope.io._samples import read_samples
from cartscope.io._tables import read_table, write_table
from cartscope.io._validate import validate

__all__ = [
    "apply_grades",
    "cells_path",
    "read_10x",
    "read_cells",
    "read_cohort",
    "read_gene_sets",
    "read_grades",
    "read_labels",
    "read_lr_resource",
    "read_lr_table",
    "read_samples",
    "read_table",
    "sha256",
    "validate",
    "write_cells",
    "write_table",
]
