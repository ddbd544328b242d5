"""Samples appended into growing arrays, and their features joined once all are known."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope._errors import InputError
from cartscope.io._counts import smallest_unsigned
from cartscope.io._features import join_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_ENSEMBL = re.compile(r"^ENS[A-Z]*G\d+")
_INT32_MAX = np.iinfo(np.int32).max


@dataclass
class GrowingCounts:
    """CSR that grows by a sample at a time; its arrays are never held twice.

    ``ndarray.resize`` extends a large block without copying it where the system can, which a
    concatenation at the end cannot: that would hold every count twice.
    """

    data: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.uint8))
    indices: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    row_sizes: list[npt.NDArray[np.int64]] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])

    def append(self, counts: sparse.csr_matrix) -> None:
        """Add a sample's rows, columns numbered as in the sample.

        Parameters
        ----------
        counts
            Cells x that sample's features.
        """
        begin, end = self.starts[-1], self.starts[-1] + counts.nnz
        wider = np.promote_types(self.data.dtype, counts.data.dtype)
        if wider != self.data.dtype:
            self.data = self.data.astype(wider)
        self.data.resize(end, refcheck=False)
        self.indices.resize(end, refcheck=False)
        self.data[begin:end] = counts.data
        self.indices[begin:end] = counts.indices
        self.row_sizes.append(np.diff(counts.indptr).astype(np.int64))
        self.starts.append(end)

    def finish(
        self, columns: Sequence[npt.NDArray[np.int32]], n_columns: int
    ) -> tuple[sparse.csr_matrix, list[int]]:
        """Renumber columns in place, sample by sample, and return the matrix.

        Parameters
        ----------
        columns
            For each sample, the column that each of its features becomes; -1 drops it.
        n_columns
            Columns of the result.

        Returns
        -------
        The matrix, and how many counts each sample lost with the dropped columns.
        """
        write = 0
        lost = []
        for i, (begin, end) in enumerate(zip(self.starts, self.starts[1:], strict=False)):
            n_rows = self.row_sizes[i].size
            identity = np.array_equal(columns[i], np.arange(columns[i].size))
            if identity and write == begin:
                lost.append(0)
                write = end
                continue
            data = self.data[begin:end].copy()
            to = columns[i][self.indices[begin:end]]
            keep = to >= 0
            rows = np.repeat(np.arange(n_rows), self.row_sizes[i])[keep]
            lost.append(int(data[~keep].sum(dtype=np.int64)))
            sizes = np.bincount(rows, minlength=n_rows).astype(np.int64)
            indptr = np.concatenate([[0], np.cumsum(sizes)])
            part = sparse.csr_matrix(
                (data[keep], to[keep], indptr), shape=(n_rows, max(1, n_columns))
            )
            part.sort_indices()
            size = part.nnz
            self.data[write : write + size] = part.data
            self.indices[write : write + size] = part.indices
            self.row_sizes[i] = sizes
            write += size
        self.data.resize(write, refcheck=False)
        self.indices.resize(write, refcheck=False)
        if any(lost):
            self.data = self.data.astype(smallest_unsigned(int(self.data.max(initial=0))))
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(self.row_sizes))])
        kind = np.int32 if write <= _INT32_MAX else np.int64
        matrix = sparse.csr_matrix(
            (self.data, self.indices, indptr.astype(kind)), shape=(indptr.size - 1, n_columns)
        )
        matrix.has_sorted_indices = True
        return matrix, lost


@dataclass(frozen=True)
class Joined:
    """The features of a cohort, and where each sample's own went."""

    features: pd.DataFrame
    columns: list[npt.NDArray[np.int32]]
    car: dict[str, list[int]]  # CAR name asked for -> columns
    report: dict[str, Any]


def join_features(
    tables: Sequence[pd.DataFrame],
    cars: Sequence[dict[str, list[int]]],
    samples: Sequence[str],
) -> Joined:
    """Keep the features that every sample has, and every CAR feature.

    Features are the same when their ids are (without GENCODE's version). A feature without an id
    joins the one gene of that symbol in the other samples; a symbol of several genes joins none.

    Parameters
    ----------
    tables
        Each sample's features; samples that share a table may share the object.
    cars
        Rows of each CAR feature in each sample.
    samples
        Sample names, for the report.
    """
    ids_of: dict[str, set[str]] = {}
    distinct = list({id(t): t for t in tables}.values())
    for table in distinct:
        for own, symbol in zip(table["id"], table["symbol"], strict=True):
            if _has_id(own, symbol):
                ids_of.setdefault(symbol, set()).add(join_id(own))
    keyed: dict[tuple[int, str], list[str | None]] = {}
    keys: list[list[str | None]] = []
    for table, car in zip(tables, cars, strict=True):
        memo = (id(table), repr(car))
        if memo not in keyed:
            keyed[memo] = _keys_of(table, car, ids_of)
        keys.append(keyed[memo])
    n_tables = len(keyed)
    seen = Counter(key for own in keyed.values() for key in own if key is not None)
    order = list(dict.fromkeys(key for own in keyed.values() for key in own if key is not None))
    kept = [key for key in order if seen[key] == n_tables or key.startswith("car:")]
    if not any(not key.startswith("car:") for key in kept):
        msg = (
            f"samples {list(samples)}: no feature is common to all of them; check that they are "
            "of one species and named in one way (Ensembl ids, or symbols)."
        )
        raise InputError(msg)
    place = {key: i for i, key in enumerate(kept)}
    column_of = {
        memo: np.array([-1 if key is None else place.get(key, -1) for key in own], dtype=np.int32)
        for memo, own in keyed.items()
    }
    columns = [column_of[id(t), repr(c)] for t, c in zip(tables, cars, strict=True)]
    features = _describe(keyed, {id(t): t for t in tables}, place)
    car: dict[str, list[int]] = {}
    for rows, to in zip(cars, columns, strict=True):
        for name, own in rows.items():
            car.setdefault(name, [])
            car[name] += [int(to[r]) for r in own if int(to[r]) not in car[name]]
    gone = sorted(key.split(":", 1)[1] for key in order if key not in place)
    ambiguous = {
        str(tables[i]["symbol"].iloc[j])
        for i, own in enumerate(keys)
        for j, key in enumerate(own)
        if key is None
    }
    report = {
        "n_features": len(kept),
        "features_dropped": gone,
        "symbols_ambiguous": sorted(ambiguous),
        "n_features_dropped": {
            name: int((to < 0).sum()) for name, to in zip(samples, columns, strict=True)
        },
    }
    return Joined(features, columns, car, report)


def _has_id(own: str, symbol: str) -> bool:
    return own not in {"", symbol} or bool(_ENSEMBL.match(own))


def _keys_of(
    table: pd.DataFrame, car: dict[str, list[int]], ids_of: dict[str, set[str]]
) -> list[str | None]:
    keys: list[str | None] = []
    times: Counter[str] = Counter()
    car_key = {
        row: f"car:{name.casefold()}#{n}"
        for name, rows in car.items()
        for n, row in enumerate(rows)
    }
    for row, (own, symbol) in enumerate(zip(table["id"], table["symbol"], strict=True)):
        if row in car_key:
            keys.append(car_key[row])
            continue
        if _has_id(own, symbol):
            key = f"id:{join_id(own)}"
        else:
            candidates = ids_of.get(symbol, set())
            if len(candidates) > 1:
                keys.append(None)
                continue
            key = f"id:{next(iter(candidates))}" if candidates else f"symbol:{symbol}"
        times[key] += 1
        keys.append(key if times[key] == 1 else f"{key}#{times[key]}")
    return keys


def _describe(
    keyed: dict[tuple[int, str], list[str | None]],
    tables: dict[int, pd.DataFrame],
    place: dict[str, int],
) -> pd.DataFrame:
    rows: list[tuple[str, str, str] | None] = [None] * len(place)
    named = [False] * len(place)
    for (which, _), keys in keyed.items():
        table = tables[which]
        columns = zip(keys, table["id"], table["symbol"], table["feature_type"], strict=True)
        for key, own, symbol, kind in columns:
            at = place.get(key) if key is not None else None
            if at is None or named[at]:
                continue
            # the first sample that has both an id and a symbol names the gene
            named[at] = own != symbol
            if rows[at] is None or named[at]:
                rows[at] = (own, symbol, kind)
    return pd.DataFrame(rows, columns=["id", "symbol", "feature_type"], dtype=object)
