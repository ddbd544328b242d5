from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from cartscope._errors import InputError, SchemaError
from cartscope._schema import NUMBER, TEXT, TRUTH, Schema
from cartscope.io._atomic import replacing
from cartscope.io._sources import from_disk, open_plain, reading

if TYPE_CHECKING:
    from typing import BinaryIO

_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?|inf)$")
_TOO_LARGE = 2**63
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    r"""Write a table as CSV, whole or not at all, the same bytes for the same table.

    Parameters
    ----------
    table
        Its index is not written.
    path
        ``.csv``, or ``.csv.gz`` for gzip (without name or time, so that bytes repeat). Numbers are
        written with the digits that give the same number back; missing values are empty.

    Returns
    -------
    None.

    Raises
    ------
    InputError
        ``path`` has another ending.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import pandas as pd
    >>> import cartscope as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "t.csv")
    ...     cs.io.write_table(pd.DataFrame({"gene": ["NA"], "p_value": [0.1]}), path)
    ...     path.read_text()
    'gene,p_value\nNA,0.1\n'
    """
    path = Path(path)
    if not path.name.endswith((".csv", ".csv.gz")):
        msg = f"{path}: tables are written as .csv or .csv.gz; change the ending."
        raise InputError(msg)
    with replacing(path) as temporary, temporary.open("wb") as stored:
        if path.suffix == ".gz":
            with gzip.GzipFile(filename="", mode="wb", fileobj=stored, mtime=0) as packed:
                _write(table, packed)
        else:
            _write(table, stored)


def _write(table: pd.DataFrame, stream: BinaryIO | gzip.GzipFile) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    table.to_csv(text, index=False, lineterminator="\n")
    text.flush()
    text.detach()


def read_table(path: str | Path, schema: Schema | None = None) -> pd.DataFrame:
    """Read a table that :func:`write_table` wrote, or one that a user gives.

    Parameters
    ----------
    path
        ``.csv`` or ``.tsv``, gzipped or not.
    schema
        What the columns are. Without it, and in columns it does not name, a column whose filled
        fields are all numbers becomes numbers and everything else stays text.

    Returns
    -------
    The table; with a schema, one that has passed its ``check``. A gene called NA stays text.

    Raises
    ------
    InputError
        The file is missing, empty, truncated or no table.
    SchemaError
        A column is missing or of the wrong kind.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import pandas as pd
    >>> import cartscope as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "t.csv.gz")
    ...     cs.io.write_table(pd.DataFrame({"gene": ["NA"], "p_value": [0.1]}), path)
    ...     cs.io.read_table(path).values.tolist()
    [['NA', 0.1]]
    """
    table = read_text(path)
    kinds = {} if schema is None else {c: kind for c, (kind, _) in schema.columns.items()}
    for column in table.columns:
        kind = kinds.get(column)
        if kind == TEXT:
            continue
        values = table[column]
        if kind == TRUTH:
            known = values.str.lower().map(_TRUTH)
            if known.isna().any():
                bad = values[known.isna()].iloc[0]
                msg = f"{path}: column {column!r} holds {bad!r}; it must be True or False."
                raise SchemaError(msg)
            table[column] = known.astype(bool)
            continue
        numbers = _numbers(values, known=kind is not None)
        if numbers is not None:
            table[column] = numbers
        elif kind is not None:
            bad = next(text for text in values if _numbers(pd.Series([text]), known=True) is None)
            msg = f"{path}: column {column!r} holds {bad!r}, which is no number ({kind})."
            raise SchemaError(msg)
        if kind == NUMBER:
            table[column] = table[column].astype(float)
    return table if schema is None else schema.check(table)


def _numbers(values: pd.Series, *, known: bool) -> pd.Series | None:
    texts = values.tolist()
    filled = [text for text in texts if text != ""]
    # names such as 007 and 1_2 would pass for numbers
    if any("_" in text if known else not _NUMBER.match(text) for text in filled):
        return None
    if filled and len(filled) == len(texts) and all(t.lstrip("+-").isdigit() for t in filled):
        integers = [int(text) for text in texts]
        if max(map(abs, integers)) < _TOO_LARGE:
            return pd.Series(integers, index=values.index, dtype="int64")
    if not texts and not known:
        return None
    try:
        # Python's own float(): pandas' faster parser is off in the last digit
        floats = [float(text) if text else float("nan") for text in texts]
    except ValueError:
        return None
    return pd.Series(floats, index=values.index, dtype=float)


def read_text(path: str | Path) -> pd.DataFrame:
    """Read a csv or tsv with every field as text and nothing taken for missing.

    Parameters
    ----------
    path
        ``.csv`` or ``.tsv``, gzipped or not, comma, semicolon or tab between fields.
    """
    member = from_disk(Path(path))
    with open_plain(member) as stream, reading(str(path), "write it as a plain CSV"):
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        head = text.readline()
        separator = max(",;\t", key=head.count)
        rest = io.StringIO(head + text.read())
        text.detach()
        table = pd.read_csv(
            rest, sep=separator, header=None, dtype=str, keep_default_na=False, index_col=False
        ).fillna("")
    # the first line is read as data, for pandas would rename a column that stands twice
    table, names = table.iloc[1:].reset_index(drop=True), table.iloc[0]
    table.columns = [str(name).strip() for name in names]
    if not table.columns.is_unique:
        twice = sorted(set(table.columns[table.columns.duplicated()]))
        msg = f"{path}: column(s) {twice} stand twice; keep one of each."
        raise InputError(msg)
    return table
