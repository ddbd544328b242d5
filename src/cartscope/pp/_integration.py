from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numba import njit

from cartscope import _keys as k
from cartscope._check import require
from cartscope._errors import InputError
from cartscope._rng import seed_for, stream
from cartscope._schema import INTEGRATION
from cartscope.pp._core import group_codes
from cartscope.pp._knn import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

_PERPLEXITY = 30.0
_ROUNDS = 60
_TOLERANCE = 1e-5
_MIXED = 1.1  # label LISI may rise by a tenth before labels count as blurred
_LOST = 0.5  # share of a condition's variance below which it counts as lost
_TINY = 1e-12


@njit(cache=True, nogil=True)
def _lisi(distances, indices, codes, n_codes, perplexity):  # noqa: PLR0917
    n, kk = distances.shape
    goal = np.log(perplexity)
    out = np.empty(n)
    weight = np.empty(kk)
    share = np.empty(n_codes)
    for i in range(n):
        precision, low, high = 1.0, 0.0, np.inf
        for _ in range(_ROUNDS):
            total, moment = 0.0, 0.0
            for j in range(kk):
                weight[j] = np.exp(-precision * (distances[i, j] - distances[i, 0]))
                total += weight[j]
                moment += weight[j] * (distances[i, j] - distances[i, 0])
            entropy = np.log(total) + precision * moment / total
            if abs(entropy - goal) < _TOLERANCE:
                break
            if entropy > goal:
                low = precision
                precision = precision * 2 if high == np.inf else (low + high) / 2
            else:
                high = precision
                precision = (low + high) / 2
        share[:] = 0
        for j in range(kk):
            share[codes[indices[i, j]]] += weight[j] / total
        out[i] = 1 / np.sum(share * share)
    return out


def lisi(
    embedding: np.ndarray, codes: np.ndarray, *, perplexity: float = _PERPLEXITY, n_jobs: int = 1
) -> np.ndarray:
    """Return the local inverse Simpson index of every cell: how many groups are around it.

    Parameters
    ----------
    embedding
        Cells x components.
    codes
        Group of every cell, from 0.
    perplexity
        Neighbours that count, softly; three times as many are looked at.
    n_jobs
        Threads.

    Returns
    -------
    1 where all neighbours are of one group, up to the number of groups (Korsunsky et al. 2019,
    doi 10.1038/s41592-019-0619-0).
    """
    n_neighbors = int(3 * perplexity)
    if embedding.shape[0] <= n_neighbors:
        msg = f"LISI needs more than {n_neighbors} cells, but there are {embedding.shape[0]}."
        raise InputError(msg)
    seed = seed_for(0, "lisi")
    indices, distances = nearest(embedding, n_neighbors, seed=seed, n_jobs=n_jobs)
    return _lisi(
        distances[:, 1:].astype(np.float64),
        indices[:, 1:],
        codes,
        int(codes.max()) + 1,
        perplexity,
    )


def variance_share(embedding: np.ndarray, codes: np.ndarray, within: np.ndarray) -> float:
    """Return the share of the variance within labels that lies between groups.

    Parameters
    ----------
    embedding
        Cells x components.
    codes
        Group of every cell, from 0.
    within
        Label of every cell, from 0: groups are compared inside each.

    Returns
    -------
    0-1, less what chance gives (epsilon squared); nan where no label has two groups.
    """
    between = total = error = 0.0
    freedom = 0
    for label in np.unique(within):
        rows = within == label
        _, own = np.unique(codes[rows], return_inverse=True)
        n_groups = own.max() + 1
        if n_groups < 2 or rows.sum() <= n_groups:  # noqa: PLR2004
            continue
        x = embedding[rows] - embedding[rows].mean(axis=0)
        size = np.bincount(own).astype(float)
        sums = np.stack([np.bincount(own, weights=column) for column in x.T], axis=1)
        explained = float((sums**2 / size[:, None]).sum())
        everything = float((x**2).sum())
        between += explained
        total += everything
        error += (n_groups - 1) * (everything - explained) / (rows.sum() - n_groups)
        freedom += n_groups - 1
    return max(between - error, 0.0) / total if freedom and total > 0 else float("nan")


def sample_ratio(
    embedding: np.ndarray, condition: np.ndarray, *, sample: np.ndarray, within: np.ndarray
) -> float:
    """Return how far conditions lie apart, in units of how far samples of one condition do.

    Parameters
    ----------
    embedding
        Cells x components.
    condition
        Condition of every cell, from 0.
    sample
        Sample of every cell; a sample has one condition.
    within
        Label of every cell: centers of samples are taken inside each.

    Returns
    -------
    Mean square between conditions over mean square between samples within a condition, summed over
    labels: about 1 where conditions differ as samples do. nan where it cannot be estimated.
    """
    table = pd.DataFrame(embedding)
    keys = pd.DataFrame({"label": within, "condition": condition, "sample": sample})
    centers = table.groupby([keys["label"], keys["condition"], keys["sample"]]).mean()
    between = inside = 0.0
    for _, of_label in centers.groupby(level="label"):
        group = of_label.index.get_level_values("condition").to_numpy()
        x = of_label.to_numpy()
        n_groups = np.unique(group).size
        if n_groups < 2 or len(x) <= n_groups:  # noqa: PLR2004
            continue
        mean = of_label.groupby(level="condition").transform("mean").to_numpy()
        between += ((mean - x.mean(axis=0)) ** 2).sum() / (n_groups - 1)
        inside += ((x - mean) ** 2).sum() / (len(x) - n_groups)
    return float(between / inside) if inside > _TINY else float("nan")


def integration_report(
    adata: AnnData,
    *,
    batch_key: str = k.obs.sample,
    label_key: str | None = None,
    condition_keys: Sequence[str] = (),
    before: str = k.obsm.pca,
    after: str = k.obsm.harmony,
    max_cells: int = 20_000,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Report what batch correction did: to batches, to labels, and to differences one asks about.

    Over-correction is what this is for: a correction that mixes labels, or that takes away a
    difference between conditions together with that between batches, says so in ``reading``.

    Parameters
    ----------
    adata
        Cells with both embeddings. Left as it is.
    batch_key
        Column of ``obs`` that was corrected for.
    label_key
        Column with cell types; all cells are one label when None.
    condition_keys
        Columns with a difference that should survive, such as the time point. Cells without a
        value are left out of that row.
    before
        Key in ``obsm`` of the uncorrected embedding.
    after
        Key in ``obsm`` of the corrected one.
    max_cells
        At most so many cells are looked at, drawn once from a fixed stream.
    n_jobs
        Threads.

    Returns
    -------
    Columns of ``integration.csv`` in ``cartscope._schema``. Measures: "lisi" (median over cells; 1
    to the number of groups), "share of variance" (within labels, between groups, 0-1) and "spread
    over samples" (conditions apart, in units of samples of one condition apart).

    Raises
    ------
    MissingKeyError
        If a column or an embedding is absent.
    InputError
        If there are too few cells.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> adata = anndata.AnnData(obs={"sample": ["a", "b"] * 100})
    >>> adata.obsm["X_pca"] = np.random.default_rng(0).normal(size=(200, 5))
    >>> cs.pp.harmony(adata, "sample")
    >>> cs.pp.integration_report(adata)[["measure", "role"]].values.tolist()
    [['lisi', 'batch'], ['share of variance', 'batch']]
    """
    for key in (before, after):
        require(adata, "obsm", key, made_by="cs.pp.pca and cs.pp.harmony")
    rows = np.arange(adata.n_obs)
    if adata.n_obs > max_cells:
        rng = stream(0, "integration_report")
        rows = np.sort(rng.choice(adata.n_obs, max_cells, replace=False))
    pair = [np.asarray(adata.obsm[key])[rows].astype(np.float64) for key in (before, after)]
    batch = group_codes(adata, batch_key)[0][rows]
    label = group_codes(adata, label_key)[0][rows]
    out = [
        _row("lisi", batch_key, "batch", [_median_lisi(z, batch, n_jobs) for z in pair]),
        _row(
            "share of variance", batch_key, "batch", [variance_share(z, batch, label) for z in pair]
        ),
    ]
    if label_key is not None:
        values = [_median_lisi(z, label, n_jobs) for z in pair]
        out.append(_row("lisi", label_key, "label", values))
    for key in condition_keys:
        require(adata, "obs", key, made_by="cs.io.read_cohort")
        given = adata.obs[key].iloc[rows]
        known = given.notna().to_numpy()
        codes = pd.factorize(given[known].astype(str), sort=True)[0].astype(np.int64)
        own = [z[known] for z in pair]
        shares = [variance_share(z, codes, label[known]) for z in own]
        out.append(_row("share of variance", key, "condition", shares))
        unit = {"sample": batch[known], "within": label[known]}
        ratios = [sample_ratio(z, codes, **unit) for z in own]
        out.append(_row("spread over samples", key, "condition", ratios))
    return INTEGRATION.check(pd.DataFrame(out, columns=list(INTEGRATION.columns)))


def _median_lisi(embedding: np.ndarray, codes: np.ndarray, n_jobs: int) -> float:
    return float(np.median(lisi(embedding, codes, n_jobs=n_jobs)))


def _row(measure: str, column: str, role: str, values: list[float]) -> dict[str, object]:  # noqa: PLR0917
    before, after = values
    ratio = after / before if before > _TINY else float("nan")
    return INTEGRATION.blank(
        measure=measure,
        column=column,
        role=role,
        before=before,
        after=after,
        ratio=ratio,
        reading=_reading(measure, role, ratio),
    )


def _reading(measure: str, role: str, ratio: float) -> str:
    if np.isnan(ratio):
        return "cannot be estimated: no difference before, or too few groups"
    if role == "batch":
        better = ratio > 1 if measure == "lisi" else ratio < 1
        return "batches are mixed better" if better else "batches are mixed no better"
    if role == "label":
        return "over-corrected: labels are blurred" if ratio > _MIXED else "labels stay apart"
    if measure == "share of variance":
        kept = f"{100 * ratio:.0f}% of the difference survived"
        return kept if ratio >= _LOST else f"over-corrected or confounded with batches: {kept}"
    return (
        "stands out from samples less than before"
        if ratio < _LOST
        else "stands out from samples as before"
    )
