from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope.pp._core import group_codes, record, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

_LOGGER = logging.getLogger(__name__)
_FEWEST_CELLS = 15  # harmonypy fits round(cells / 30) clusters, and none below this
OUTCOMES = (k.obs.crs_grade, k.obs.nt_grade, k.obs.response, k.obs.anakinra, k.obs.timepoint)


def correct(
    embedding: np.ndarray,
    batch: Sequence[str] | np.ndarray,
    *,
    lamb: float | None = 1.0,
    seed: int = 0,
    n_jobs: int = 1,
) -> np.ndarray:
    """Run Harmony on an array.

    Parameters
    ----------
    embedding
        Cells x components.
    batch
        Batch of every cell.
    lamb
        Ridge penalty; None lets Harmony 2 estimate it.
    seed
        Seed of the k-means start.
    n_jobs
        Threads; the result is the same for any number.

    Returns
    -------
    Corrected cells x components, float32.
    """
    n_cells, n_comps = embedding.shape
    run_harmony = _import_run_harmony()
    padded = embedding
    if n_cells == n_comps:
        # a square input is read as components x cells; a component of zeros makes it rectangular
        padded = np.column_stack([embedding, np.zeros(n_cells)])
    result = run_harmony(
        np.ascontiguousarray(padded, dtype=np.float64),
        pd.DataFrame({"batch": np.asarray(batch, dtype=object)}),
        "batch",
        lamb=lamb,
        verbose=False,
        random_state=seed,
        ncores=n_jobs,
    )
    corrected = np.asarray(result.Z_corr)
    if corrected.shape != padded.shape:
        msg = (
            f"harmonypy returned an array of shape {corrected.shape} for {padded.shape} "
            "(cells, components); this version is not supported, install harmonypy>=2.0,<3."
        )
        raise InputError(msg)
    return corrected[:, :n_comps].astype(np.float32)


def harmony(
    adata: AnnData,
    key: str,
    *,
    basis: str = k.obsm.pca,
    key_added: str = k.obsm.harmony,
    lamb: float | None = 1.0,
    protected: Sequence[str] = OUTCOMES,
    random_state: int = 0,
    n_jobs: int = 1,
) -> None:
    """Correct an embedding for batches with Harmony.

    Calls ``harmonypy.run_harmony`` itself (Korsunsky et al. 2019, doi 10.1038/s41592-019-0619-0).
    A single batch leaves nothing to correct: the embedding is copied, and the record says so.

    Parameters
    ----------
    adata
        Cells with an embedding in ``obsm[basis]``.
    key
        Column of ``obs`` with the batch: a library, channel or pool.
    basis
        Embedding to correct.
    key_added
        Key in ``obsm`` of the result.
    lamb
        Ridge penalty. None has Harmony 2 estimate it, which is unstable across seeds where batches
        are small.
    protected
        Columns that must not be removed as batch effects, because the study asks about them.
    random_state
        Seed.
    n_jobs
        Threads; the result is the same for any number.

    Returns
    -------
    None. Writes ``obsm[key_added]`` (cells x components, float32); parameters in
    ``uns["cartscope"]["harmony"]``.

    Raises
    ------
    InputError
        If ``key`` is protected, or follows a protected column one to one; or below 15 cells.
    MissingKeyError
        If ``key`` or ``basis`` is absent.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(obs={"sample": ["a", "b"] * 50})
    >>> adata.obsm["X_pca"] = np.random.default_rng(0).normal(size=(100, 5))
    >>> cs.pp.harmony(adata, "sample")
    >>> adata.obsm["X_pca_harmony"].shape
    (100, 5)
    """
    adata = target(adata, copy=False)
    if key in protected:
        msg = (
            f"{key!r} is an outcome, not a batch: correcting for it would remove what is asked. "
            "Give the library or channel, or take it out of `protected`."
        )
        raise InputError(msg)
    require(adata, "obsm", basis, made_by="cs.pp.pca")
    codes, names = group_codes(adata, key)
    embedding = np.asarray(adata.obsm[basis])
    if adata.n_obs < _FEWEST_CELLS:
        msg = f"Harmony needs {_FEWEST_CELLS} cells or more, but adata has {adata.n_obs}."
        raise InputError(msg)
    parameters = {"key": key, "basis": basis, "n_batches": len(names), "seed": int(random_state)}
    parameters["lamb"] = "estimated" if lamb is None else float(lamb)
    if len(names) == 1:
        _LOGGER.info("One batch in obs[%r]: the embedding is copied uncorrected.", key)
        corrected = embedding.astype(np.float32)
        parameters["note"] = "one batch: the embedding is a copy, nothing was corrected"
    else:
        batch = np.asarray(names, dtype=object)[codes]
        corrected = correct(embedding, batch, lamb=lamb, seed=random_state, n_jobs=n_jobs)
    adata.obsm[key_added] = corrected
    record(adata, "harmony", parameters)


def _import_run_harmony():
    """Import run_harmony and undo the DEBUG handler that harmonypy puts on its logger."""
    import sys

    first = "harmonypy" not in sys.modules
    logger = logging.getLogger("harmonypy")
    handlers, level = list(logger.handlers), logger.level
    from harmonypy import run_harmony

    if first:
        logger.handlers[:] = handlers
        logger.setLevel(level)
    return run_harmony
