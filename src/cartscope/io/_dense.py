"""Dense tables of counts (csv, tsv, txt), read a few rows at a time into sparse."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope._errors import InputError
from cartscope.io._counts import as_counts, canonical
from cartscope.io._features import Sample, feature_table
from cartscope.io._sources import open_plain, reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cartscope.io._sources import Member

Axis = Literal["rows", "columns"]
_BARCODE = re.compile(r"(?:^|[^A-Za-z])[ACGT]{12,}(?:$|[^A-Za-z])")
_ENSEMBL = re.compile(r"^ENS[A-Z]*G\d+")
# genes that nearly every human or mouse count table has, told apart from cell names by their number
_COMMON = frozenset(
    {
        "ACTB",
        "ACTG1",
        "B2M",
        "CD3D",
        "CD3E",
        "CD4",
        "CD8A",
        "EEF1A1",
        "FTH1",
        "FTL",
        "GAPDH",
        "GNLY",
    }
    | {"LYZ", "MALAT1", "MT-CO1", "MT-CO2", "MT-ND1", "NKG7", "PTPRC", "RPL13", "RPLP0", "RPS18"}
    | {"S100A8", "S100A9", "TMSB4X", "TP53", "VIM"}
)
_ENOUGH_COMMON = 3
_VALUES_AT_ONCE = 1 << 22
_SEPARATORS = "\t,; "


def read_dense(member: Member, *, cells: Axis | None = None) -> Sample:
    """Read a table of counts with labels in its first row and its first column.

    Parameters
    ----------
    member
        The file.
    cells
        Whether cells are the rows or the columns; by default told by :func:`cells_axis`.
    """
    with open_plain(member) as stream, reading(member.label, "write it as a plain table of counts"):
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        head = text.readline()
        separator = max(_SEPARATORS, key=head.count)
        names = next(csv.reader([head], delimiter=separator))
        labels, matrix = _body(text, separator, n_header=len(names), label=member.label)
        text.detach()
    # R writes one header field fewer than there are columns
    columns = [name.strip() for name in (names if len(names) == matrix.shape[1] else names[1:])]
    axis = cells or cells_axis(labels, columns)
    if axis is None:
        msg = (
            f"{member.label}: cannot tell cells from genes (rows begin {labels[:2]}, columns "
            f"{columns[:2]}); say cells='rows' or cells='columns', or name cells by barcode."
        )
        raise InputError(msg)
    barcodes, genes = (labels, columns) if axis == "rows" else (columns, labels)
    counts = canonical(matrix if axis == "rows" else matrix.T, label=member.label)
    return Sample(counts, barcodes, feature_table(genes, genes), member.label, "dense")


def cells_axis(rows: Sequence[str], columns: Sequence[str]) -> Axis | None:
    """Say which axis holds the cells, or None if the labels don't tell.

    The first of these that is true of exactly one axis decides: half or more of its labels hold a
    run of 12 or more of A, C, G and T (cells); half or more are Ensembl gene ids (genes); three or
    more are genes that nearly every table has, as ACTB or MALAT1 (genes).

    Parameters
    ----------
    rows
        Labels of the rows.
    columns
        Labels of the columns.

    Examples
    --------
    >>> from cartscope.io._dense import cells_axis
    >>> cells_axis(["CD3D", "LYZ"], ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1"])
    'columns'
    >>> cells_axis(["a", "b"], ["c", "d"]) is None
    True
    """
    for mark, is_cells in ((_barcodes, True), (_ensembl, False), (_common, False)):
        by_row, by_column = mark(rows), mark(columns)
        if by_row != by_column:
            return "rows" if by_row == is_cells else "columns"
    return None


def _barcodes(labels: Sequence[str]) -> bool:
    return _share(_BARCODE, labels)


def _ensembl(labels: Sequence[str]) -> bool:
    return _share(_ENSEMBL, labels)


def _common(labels: Sequence[str]) -> bool:
    return len(_COMMON.intersection(label.upper() for label in labels)) >= _ENOUGH_COMMON


def _share(pattern: re.Pattern[str], labels: Sequence[str]) -> bool:
    return 2 * sum(bool(pattern.search(label)) for label in labels) >= max(1, len(labels))


def _body(
    text: io.TextIOWrapper, separator: str, *, n_header: int, label: str
) -> tuple[list[str], sparse.csr_matrix]:
    rows = max(1, _VALUES_AT_ONCE // max(1, n_header))
    labels: list[str] = []
    parts: list[sparse.csr_matrix] = []
    reader = pd.read_csv(
        text,
        sep=separator,
        header=None,
        chunksize=rows,
        dtype={0: str},
        keep_default_na=False,
        na_values={},
        low_memory=False,
    )
    for chunk in reader:
        labels += [str(name).strip() for name in chunk[0]]
        parts.append(_numbers(chunk.iloc[:, 1:], label))
    return labels, sparse.vstack(parts, format="csr")


def _numbers(chunk: pd.DataFrame, label: str) -> sparse.csr_matrix:
    for column in chunk.columns[[dtype.kind == "O" for dtype in chunk.dtypes]]:
        values = pd.to_numeric(chunk[column], errors="coerce")
        if values.isna().any():
            first = chunk[column][values.isna()].iloc[0]
            what = "an empty field" if first == "" else repr(first)
            if str(first).lower() in {"", "na", "nan"}:
                what += ", a missing (nan) value"
            msg = (
                f"{label}: column {column + 1} holds {what} where a count should stand; "
                "one column of labels, then counts only."
            )
            raise InputError(msg)
    block = chunk.to_numpy(dtype=np.float64)
    return sparse.csr_matrix(block.astype(as_counts(block.ravel(), label=label).dtype))
