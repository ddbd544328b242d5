from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cartscope import _keys as k
from cartscope._check import require_counts
from cartscope._errors import InputError
from cartscope.io._samples import PATIENT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

_REQUIRED_OBS = (k.obs.sample, k.obs.patient)
_HIGHEST_GRADE = 5
_TREATMENT = ("true", "false", "unknown")
_WORDS = {
    k.obs.tocilizumab_before_sample: _TREATMENT,
    k.obs.steroid_before_sample: _TREATMENT,
    k.obs.response: ("R", "NR"),
    k.obs.sex: ("female", "male"),
    k.obs.car_status: (k.car.positive, k.car.negative, k.car.unknown),
}


def validate(adata: AnnData) -> None:
    """Raise InputError unless ``adata`` keeps the contract of a cartscope cohort.

    The contract: ``layers["counts"]`` CSR of non-negative integers in an unsigned type, indices
    sorted; ``X``, if there is one, CSR of floats that shares ``indices`` and ``indptr`` with the
    counts; unique cell and gene names; ``obs`` has sample and patient without gaps, each sample of
    one patient, known columns of the right kind and one grade, sex or product per patient; ``var``
    has ensembl_id and feature_type.

    Parameters
    ----------
    adata
        Cells x genes; left as it is.

    Returns
    -------
    None.

    Raises
    ------
    InputError
        The contract is broken; the message lists every violation with its cure.

    Examples
    --------
    >>> import anndata as ad
    >>> import cartscope as cs
    >>> cs.io.validate(ad.AnnData())
    Traceback (most recent call last):
    cartscope._errors.InputError: ...
    """
    found = [*_counts(adata), *_names(adata), *_obs(adata), *_values(adata), *_var(adata)]
    if found:
        msg = f"adata breaks the contract in {len(found)} point(s): " + " ".join(
            f"({i}) {text}" for i, text in enumerate(found, start=1)
        )
        raise InputError(msg)


def _counts(adata: AnnData) -> Iterator[str]:
    name = f"layers[{k.layers.counts!r}]"
    counts = adata.layers.get(k.layers.counts)
    if counts is None:
        yield f"{name} is missing; put the raw counts there (cs.io.read_cohort does)."
        return
    if not sparse.issparse(counts) or counts.format != "csr":
        yield f"{name} is {type(counts).__name__}; make it scipy.sparse.csr_matrix."
        return
    if counts.dtype.kind != "u":
        yield f"{name} is {counts.dtype}; store counts in an unsigned integer type."
    try:
        require_counts(counts, name=name)
    except InputError as error:
        yield str(error)
    if not counts.has_sorted_indices:
        yield f"{name} has unsorted indices; call its sort_indices()."
    if adata.X is None:
        return
    if not sparse.issparse(adata.X) or adata.X.format != "csr":
        yield f"X is {type(adata.X).__name__}; derive it from the counts with cs.pp.normalize."
    elif adata.X.dtype.kind != "f":
        yield f"X is {adata.X.dtype}; it holds log1p of normalized counts (cs.pp.normalize)."
    elif not _share(adata.X, counts):
        yield (
            f"X and {name} do not share indices and indptr, which doubles their memory; run "
            "cs.pp.normalize, or write and read the cells."
        )


def _share(first: Any, second: Any) -> bool:
    return first.nnz == 0 or all(
        np.shares_memory(getattr(first, part), getattr(second, part))
        for part in ("indices", "indptr")
    )


def _names(adata: AnnData) -> Iterator[str]:
    for what, index in (("obs_names", adata.obs_names), ("var_names", adata.var_names)):
        if not index.is_unique:
            twice = index[index.duplicated()][0]
            yield f"{what} are not unique ({twice!r}); make them so ({what}_make_unique)."


def _obs(adata: AnnData) -> Iterator[str]:
    obs = adata.obs
    for column in _REQUIRED_OBS:
        if column not in obs:
            yield f"obs[{column!r}] is missing; name it in samples.csv."
        elif obs[column].isna().any():
            yield f"obs[{column!r}] is missing in {int(obs[column].isna().sum())} cells; fill it."
    if all(column in obs for column in _REQUIRED_OBS):
        pairs = obs[list(_REQUIRED_OBS)].drop_duplicates()
        mixed = pairs.loc[pairs[k.obs.sample].duplicated(), k.obs.sample].tolist()
        if mixed:
            yield f"sample(s) {sorted(map(str, mixed))} belong to several patients; split them."
    for column in (k.obs.sorted, k.obs.anakinra):
        if column in obs and not pd.api.types.is_bool_dtype(obs[column].dtype):
            yield f"obs[{column!r}] is {obs[column].dtype}; make it boolean (missing as pd.NA)."
    for column in (k.obs.crs_grade, k.obs.nt_grade):
        if column not in obs:
            continue
        grades = pd.to_numeric(obs[column], errors="coerce")
        text = grades.isna() & obs[column].notna()
        known = grades.dropna()
        if text.any() or ((known < 0) | (known > _HIGHEST_GRADE) | (known % 1 != 0)).any():
            yield f"obs[{column!r}] holds values that are no grade; use 0 to 5, or nan."
    if k.obs.day in obs and not pd.api.types.is_numeric_dtype(obs[k.obs.day].dtype):
        yield f"obs[{k.obs.day!r}] is {obs[k.obs.day].dtype}; use days as numbers, or nan."


def _values(adata: AnnData) -> Iterator[str]:
    obs = adata.obs
    for column, words in _WORDS.items():
        if column in obs:
            strange = sorted({str(v) for v in obs[column].dropna().unique()} - set(words))
            if strange:
                yield f"obs[{column!r}] holds {strange}; use {list(words)}, or leave it missing."
    for column in PATIENT_LEVEL:
        if column in obs and k.obs.patient in obs:
            pairs = obs[[k.obs.patient, column]].drop_duplicates().dropna()
            mixed = pairs.loc[pairs[k.obs.patient].duplicated(), k.obs.patient].tolist()
            if mixed:
                yield f"patient(s) {sorted(map(str, mixed))} have several {column}; correct them."


def _var(adata: AnnData) -> Iterator[str]:
    for column in (k.var.ensembl_id, k.var.feature_type):
        if column not in adata.var:
            yield f"var[{column!r}] is missing; cs.io.read_10x and read_cohort write it."
