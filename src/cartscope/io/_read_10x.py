from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.io._counts import as_counts
from cartscope.io._dense import Axis, read_dense
from cartscope.io._features import (
    Sample,
    check_car_names,
    keep_expression,
    match_car,
    unique_names,
)
from cartscope.io._h5ad import read_h5ad_sample
from cartscope.io._tenx import parser_threads, read_h5, read_triplet
from cartscope.io._units import find_unit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anndata import AnnData


def read_10x(
    path: str | Path,
    *,
    car_features: Sequence[str] = (),
    genome: str | None = None,
    cells: Axis | None = None,
    n_jobs: int = 1,
) -> AnnData:
    r"""Read the count matrix of one sample, in any form that GEO holds.

    ``path`` is one of

    * a folder that holds one sample, at its top or further down (of a Cell Ranger ``outs`` folder
      the filtered matrix is taken);
    * a file: Cell Ranger ``.h5`` (version 2 or 3), ``.h5ad`` (``layers["counts"]``, else ``raw.X``,
      else ``X``), ``matrix.mtx`` with its neighbors, a table of counts (``.csv``, ``.tsv``,
      ``.txt``), each of them gzipped or not, or a ``.tar``, ``.tar.gz`` or ``.tgz`` of one sample;
    * the prefix of a triplet, as ``folder/GSM123_P1_``;
    * a member of an archive, as ``GSE1_RAW.tar::GSM123_P1``: what follows ``::`` is the name of a
      member (a nested archive, ``.h5``, ...) or of a triplet, or the beginning of one such name.

    Nothing is unpacked to disk, and cells x genes never stand dense in memory.

    Parameters
    ----------
    path
        The sample.
    car_features
        Names of CAR transcripts, in any case, matched with the symbol and the id. A CAR feature is
        kept whatever its feature type, and keeps the file's spelling.
    genome
        Which genome to read from a file that holds several.
    cells
        In a table of counts: whether cells are its rows or its columns. By default the labels
        decide (barcodes, Ensembl ids, common genes); if they can't, an error says so.
    n_jobs
        Threads that parse a MatrixMarket file.

    Returns
    -------
    ``layers["counts"]``: CSR, cells x genes, in the smallest of uint8, uint16 and uint32 that
    holds the largest count, int32 indices, sorted; no ``X``. Arithmetic in so small a type wraps
    around: ``counts.sum(axis=...)`` is safe, ``counts @ ones`` and ``counts + counts`` need
    ``astype`` first. ``obs_names``: barcodes as the file has them. ``var``: index the symbol, made
    unique as scanpy does (later ones get -1, -2, ...), ``symbol``, ``ensembl_id`` and
    ``feature_type``. ``uns["cartscope"]``: ``car_features`` found and, under ``ingest``, what was
    put aside.

    Raises
    ------
    InputError
        The file is missing, empty, truncated, of unknown form, holds several samples, duplicate
        barcodes, wrong dimensions or values that are no counts; the message names the file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import cartscope as cs
    >>> table = "gene,AAACCTGAGAAACCAT-1,AAACCTGAGAAACCGC-1\nCD3D,1,0\nYescarta,0,2\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "P1.csv")
    ...     _ = path.write_text(table)
    ...     adata = cs.io.read_10x(path, car_features=["yescarta"])
    >>> adata.shape, list(adata.var_names)
    ((2, 2), ['CD3D', 'Yescarta'])
    """
    import anndata as ad

    names = check_car_names(car_features)
    with parser_threads(n_jobs):
        sample = load_sample(path, genome=genome, cells=cells)
    sample, car, report = select_features(sample, names)
    var = var_table(sample.features)
    uns: dict[str, Any] = {
        k.uns.car_features: [str(var.index[row]) for rows in car.values() for row in rows],
        k.uns.ingest: report,
    }
    return ad.AnnData(
        obs=pd.DataFrame(index=pd.Index(sample.barcodes, dtype=object)),
        var=var,
        layers={k.layers.counts: sample.counts},
        uns={k.uns.cartscope: uns},
    )


def load_sample(
    path: str | Path, *, genome: str | None = None, cells: Axis | None = None
) -> Sample:
    """Find and read one sample, and hold what is true of every form.

    Parameters
    ----------
    path, genome, cells
        As in :func:`read_10x`.
    """
    unit = find_unit(path)
    if unit.kind == "triplet":
        sample = read_triplet(unit.files)
    elif unit.kind == "h5":
        sample = read_h5(unit.files["file"], genome=genome)
    elif unit.kind == "h5ad":
        sample = read_h5ad_sample(unit.files["file"])
    else:
        sample = read_dense(unit.files["file"], cells=cells)
    if not sample.barcodes or sample.features.empty:
        msg = (
            f"{sample.label}: holds {len(sample.barcodes)} cells and {len(sample.features)} "
            "features; give a matrix that is not empty."
        )
        raise InputError(msg)
    index = pd.Index(sample.barcodes)
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        msg = (
            f"{sample.label}: {len(twice)} duplicate barcode(s), the first {twice[0]!r}; "
            "libraries that were joined need a suffix each, as -1 and -2."
        )
        raise InputError(msg)
    return sample


def select_features(
    sample: Sample, names: Sequence[str]
) -> tuple[Sample, dict[str, list[int]], dict[str, Any]]:
    """Keep gene expression and CAR features.

    Parameters
    ----------
    sample
        As its file has it.
    names
        CAR features asked for.

    Returns
    -------
    The sample, the rows of each CAR feature in it, and a report without any path.
    """
    car = match_car(sample.features, names)
    keep, aside = keep_expression(sample.features, car)
    if not keep.size:
        msg = f"{sample.label}: has no 'Gene Expression' feature, only {aside}; give that matrix."
        raise InputError(msg)
    report = {
        "form": sample.form,
        "n_cells": len(sample.barcodes),
        "n_features": int(keep.size),
        "other_features": aside,
        "car_features_missing": [name for name, rows in car.items() if not rows],
    }
    features, counts = sample.features, sample.counts
    if keep.size < len(features):
        features = features.iloc[keep].reset_index(drop=True)
        counts = counts[:, keep]
        # what was put aside may have held the large numbers: antibodies are counted in thousands
        counts.data = as_counts(counts.data, label=sample.label)
        place = {int(row): i for i, row in enumerate(keep)}
        car = {name: [place[row] for row in rows] for name, rows in car.items()}
    return Sample(counts, sample.barcodes, features, sample.label, sample.form), car, report


def var_table(features: pd.DataFrame) -> pd.DataFrame:
    """Return ``adata.var``: index the unique symbol; symbol, ensembl_id and feature_type.

    Parameters
    ----------
    features
        Columns id, symbol and feature_type.
    """
    symbols = features["symbol"].to_numpy(dtype=object)
    # a feature without a symbol is called by its id
    shown = np.where(symbols == "", features["id"].to_numpy(dtype=object), symbols)
    return pd.DataFrame(
        {
            k.var.symbol: symbols,
            k.var.ensembl_id: features["id"].to_numpy(dtype=object),
            k.var.feature_type: pd.Categorical(features["feature_type"]),
        },
        index=pd.Index(unique_names(shown), dtype=object),
    )
