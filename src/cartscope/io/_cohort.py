from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._schema import NUMBER, SAMPLES
from cartscope.io._features import check_car_names
from cartscope.io._join import GrowingCounts, join_features
from cartscope.io._read_10x import load_sample, select_features, var_table
from cartscope.io._samples import TREATED, check_samples, read_samples
from cartscope.io._tenx import parser_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anndata import AnnData

    from cartscope.io._features import Sample

_log = logging.getLogger(__name__)
_TRUTHS = (k.obs.sorted, k.obs.anakinra)
_NOT_IN_OBS = ("sample_id", "path", "car_features")
_UNFILTERED = 100_000  # barcodes in one library that only an unfiltered matrix has


def read_cohort(
    samples: pd.DataFrame | str | Path,
    *,
    base: str | Path | None = None,
    car_features: Sequence[str] = (),
    n_jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> AnnData:
    r"""Read every sample of a cohort into one object.

    Samples are read ``n_jobs`` at a time and appended in the order of the table, so that memory
    holds the result and at most ``n_jobs`` samples more. Features are joined by Ensembl id (by
    symbol where there is no id); those that some sample lacks are dropped, and counted in the
    report. CAR features are kept even if some samples lack them.

    Parameters
    ----------
    samples
        samples.csv, or a table as :func:`read_samples` returns it.
    base
        Folder that relative paths of a table start from; the working directory by default. Paths
        in a file are relative to the file.
    car_features
        Names of CAR transcripts, in any case, of the samples that name none in their own column
        ``car_features``.
    n_jobs
        Samples read at once.
    progress
        Called with the number of samples read and their total after each one.

    Returns
    -------
    ``layers["counts"]`` as in :func:`read_10x`; no ``X``. ``obs``: every known column of
    ``samples``, unknown values missing: text as categories, ``sorted`` and ``anakinra`` as nullable
    booleans, ``day`` and grades as floats; cells are called ``<sample_id>_<barcode>``. ``var`` as
    in :func:`read_10x`. ``uns["cartscope"]``: ``car_features`` (var names),
    ``car_features_by_sample`` (those asked for and present in each sample) and ``ingest`` (what
    was read and dropped). The same whatever ``n_jobs``.

    Raises
    ------
    InputError
        The table or one of the files cannot be used as it is; the message names it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import cartscope as cs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("P1", "P2"):
    ...         table = "gene,AAACCTGAGAAACCAT-1,AAACCTGAGAAACCGC-1\nCD3D,1,0\nLYZ,0,2\n"
    ...         _ = pathlib.Path(folder, f"{name}.csv").write_text(table)
    ...     csv = pathlib.Path(folder, "samples.csv")
    ...     _ = csv.write_text("sample_id,path,patient\nA,P1.csv,P1\nB,P2.csv,P2\n")
    ...     adata = cs.io.read_cohort(csv)
    >>> adata.shape, adata.obs_names[0]
    ((4, 2), 'A_AAACCTGAGAAACCAT-1')
    """
    import anndata as ad

    default = check_car_names(car_features)
    if isinstance(samples, pd.DataFrame):
        table = check_samples(samples, name="samples", base=None if base is None else Path(base))
    else:
        table = read_samples(samples)
    asked = [
        check_car_names(own.replace(",", " ").replace(";", " ").split()) or default
        for own in table.get("car_features", pd.Series("", index=table.index))
    ]
    every = check_car_names(name for names in asked for name in names)

    counts = GrowingCounts()
    features: list[pd.DataFrame] = []
    cars: list[dict[str, list[int]]] = []
    barcodes: list[list[str]] = []
    reports: dict[str, dict[str, Any]] = {}
    names = table["sample_id"].tolist()
    with parser_threads(1):
        for i, sample in enumerate(_in_order(table["path"].tolist(), n_jobs)):
            kept, car, report = select_features(sample, every)
            if len(kept.barcodes) > _UNFILTERED:
                _log.warning(
                    "%s has %d barcodes: is it the unfiltered matrix?", names[i], len(kept.barcodes)
                )
            counts.append(kept.counts)
            features.append(_shared(kept.features, features))
            cars.append(car)
            barcodes.append(kept.barcodes)
            report["car_features_missing"] = [n for n in asked[i] if not _rows(car, n)]
            reports[names[i]] = report
            if progress is not None:
                progress(i + 1, len(names))
    joined = join_features(features, cars, names)
    matrix, lost = counts.finish(joined.columns, len(joined.features))
    var = var_table(joined.features)
    absent = [n for n in every if not joined.car.get(n)]
    if absent:
        _log.warning("CAR feature(s) %s are in no sample", absent)
    ingest = {
        "samples": reports,
        **joined.report,
        "n_counts_dropped": dict(zip(names, lost, strict=True)),
        "car_features_missing": absent,
    }
    uns = {
        k.uns.car_features: [str(var.index[c]) for cols in joined.car.values() for c in cols],
        k.uns.car_features_by_sample: {
            name: [str(var.index[to[row]]) for n in own for row in _rows(car, n)]
            for name, own, car, to in zip(names, asked, cars, joined.columns, strict=True)
        },
        k.uns.ingest: ingest,
    }
    return ad.AnnData(
        obs=_obs(table, barcodes),
        var=var,
        layers={k.layers.counts: matrix},
        uns={k.uns.cartscope: uns},
    )


def _in_order(paths: Sequence[str], n_jobs: int) -> Iterator[Sample]:
    if n_jobs <= 1:
        yield from map(load_sample, paths)
        return
    with ThreadPoolExecutor(n_jobs) as pool:
        waiting: deque[Any] = deque()
        rest = iter(paths)
        try:
            for path in rest:
                waiting.append(pool.submit(load_sample, path))
                if len(waiting) == n_jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _rows(car: dict[str, list[int]], name: str) -> list[int]:
    low = name.casefold()
    return next((rows for own, rows in car.items() if own.casefold() == low), [])


def _shared(table: pd.DataFrame, earlier: list[pd.DataFrame]) -> pd.DataFrame:
    # samples of one run have one feature table; a hundred copies of it would be a gigabyte
    return next((one for one in reversed(earlier) if one.equals(table)), table)


def _obs(table: pd.DataFrame, barcodes: list[list[str]]) -> pd.DataFrame:
    sizes = [len(names) for names in barcodes]
    which = np.repeat(np.arange(len(sizes)), sizes)
    index = [
        f"{sample}_{barcode}"
        for sample, names in zip(table["sample_id"], barcodes, strict=True)
        for barcode in names
    ]
    known = {c: kind for c, (kind, _) in SAMPLES.columns.items() if c not in _NOT_IN_OBS}
    columns: dict[str, Any] = {k.obs.sample: _text(table["sample_id"], which)}
    for column in [*known, *(c for c in table if c not in SAMPLES.columns)]:
        values = table.get(column)
        absent = "unknown" if column in TREATED else ""
        texts = pd.Series([absent] * len(table)) if values is None else values
        if known.get(column) == NUMBER:
            numbers = np.full(len(table), np.nan) if values is None else values.to_numpy(float)
            columns[column] = numbers[which]
        elif column in _TRUTHS:
            columns[column] = _truth(texts)[which]
        else:
            columns[column] = _text(texts, which)
    out = pd.DataFrame(columns, index=pd.Index(index, dtype=object))
    if not out.index.is_unique:
        twice = out.index[out.index.duplicated()][0]
        msg = f"samples: two cells are called {twice!r}; rename one of the samples."
        raise InputError(msg)
    return out


def _text(values: pd.Series, which: np.ndarray) -> pd.Categorical:
    names = [name for name in dict.fromkeys(values) if name != ""]
    codes = pd.Categorical(values.where(values != "", None), categories=names).codes
    return pd.Categorical.from_codes(codes[which], categories=names)


def _truth(values: pd.Series) -> pd.arrays.BooleanArray:
    return pd.array(values.map({"true": True, "false": False, "": pd.NA}), dtype="boolean")
