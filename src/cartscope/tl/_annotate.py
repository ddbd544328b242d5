from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.tl._expression import group_means, panel

if TYPE_CHECKING:
    from anndata import AnnData

CAP = 1.5  # how far above the level of its type a marker counts
SELF_WEIGHT = 0.5  # of a cell itself against all its neighbors, when neighborhoods are averaged
REFINE_MARGIN = 0.25  # how much better another type must be around a cell to overrule its cluster


@dataclass(frozen=True)
class Markers:
    """What tells a cell type: markers up, markers down, and where the type can occur.

    The score of a type is the mean over ``positive`` of the expression divided by ``level``, at
    most 1.5 for each gene, minus the same of ``negative``: about 1 in a typical cluster of the
    type.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    level: float = 1.0  # typical mean log1p expression of the positive markers in the type
    only_in: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Threshold:
    """A cluster whose mean expression of ``gene`` exceeds ``above`` is of this type."""

    cell_type: str
    gene: str
    above: float


def annotate(
    adata: AnnData,
    *,
    markers: Mapping[str, Any] | Sequence[Any],
    cluster_key: str = k.obs.leiden,
    labels: pd.Series | None = None,
    minimum: float = 0.4,
    margin: float = 0.05,
    key_added: str = k.obs.cell_type,
    copy: bool = False,
) -> AnnData | None:
    """Name the cell type of each cluster, and of single cells that do not belong in theirs.

    With a mapping of markers, each cluster gets a score per type from the mean log1p expression
    of its cells, and the type with the best score if that is at least ``minimum`` and leads by
    ``margin``; else "unassigned". Where ``obsp["connectivities"]`` exists, a cell whose
    neighborhood scores clearly better for another type takes that one, so that clusters which
    mix T and NK cells, say, are split. Types that occur only in some samples (``only_in``) do
    not compete elsewhere, and a cluster's cells from there are scored apart. With a list of
    thresholds on cluster means, later ones win.
    Labels rest on expression alone, never on the name of a cluster.

    Parameters
    ----------
    adata
        Cells x genes, log1p in ``X``, clusters in ``obs``.
    markers
        For each type its markers: a list of genes or the fields of :class:`Markers`. Or the list
        of thresholds: records with cell_type, gene, above.
    cluster_key
        Column of ``obs`` with the clusters.
    labels
        Labels of your own by cell name; they replace the computed ones where they are given.
    minimum
        Least score of a type that is assigned, where 1 is typical of the type.
    margin
        Least lead over the next type.
    key_added
        Column of ``obs`` to write; score and margin go to ``<key_added>_score``, ``_margin``.
    copy
        Return a changed copy and leave ``adata`` as it is.

    Returns
    -------
    None, or the copy. ``obs`` gets the type (categorical), its score and its margin; both are nan
    with thresholds and for labels of your own.

    Raises
    ------
    MissingKeyError
        If there is no clustering.
    InputError
        If no marker is in ``var_names``, or ``labels`` names none of the cells.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cartscope as cs
    >>> from anndata import AnnData
    >>> x = np.array([[2, 0], [2, 0], [0, 2]], dtype="float32")
    >>> a = AnnData(x, obs=pd.DataFrame({"leiden": ["0", "0", "1"]}, index=list("abc")))
    >>> a.var_names = ["CD3D", "MS4A1"]
    >>> cs.tl.annotate(a, markers={"T": ["CD3D"], "B": ["MS4A1"]})
    >>> list(a.obs["cell_type"])
    ['T', 'T', 'B']
    """
    adata = adata.copy() if copy else adata
    _check.require(adata, "obs", cluster_key, made_by="tl.leiden")
    if isinstance(markers, Mapping):
        parsed = {name: _markers(name, value) for name, value in markers.items()}
        names, score, lead = _by_markers(
            adata, parsed, cluster_key=cluster_key, minimum=minimum, margin=margin
        )
    else:
        names = _by_thresholds(adata, [_threshold(rule) for rule in markers], cluster_key)
        score = np.full(adata.n_obs, np.nan)
        lead = score.copy()
    if labels is not None:
        own = labels.reindex(adata.obs_names)
        given = own.notna().to_numpy()
        if not given.any():
            msg = (
                f"labels: none of its {len(labels)} names is a cell; cells are called like "
                f"{adata.obs_names[0]!r}, labels like {labels.index[:1].tolist()}."
            )
            raise InputError(msg)
        names = np.where(given, own.astype(object).to_numpy(), names)
        score[given] = np.nan
        lead[given] = np.nan
    adata.obs[key_added] = pd.Categorical(names.astype(str))
    adata.obs[f"{key_added}_score"] = score
    adata.obs[f"{key_added}_margin"] = lead
    return adata if copy else None


def _markers(name: str, value: Any) -> Markers:
    if isinstance(value, Markers):
        return value
    try:
        fields = dict(value) if isinstance(value, Mapping) else {"positive": value}
        fields["positive"] = tuple(fields["positive"])
        fields["negative"] = tuple(fields.get("negative", ()))
        return Markers(**fields)
    except (TypeError, KeyError, ValueError) as error:
        msg = f"markers[{name!r}] must be a list of genes or the fields of Markers: {error}."
        raise InputError(msg) from error


def _threshold(value: Any) -> Threshold:
    if isinstance(value, Threshold):
        return value
    try:
        return Threshold(**dict(value))
    except (TypeError, ValueError) as error:
        msg = f"a threshold needs cell_type, gene and above; {value!r} has not: {error}."
        raise InputError(msg) from error


def _by_markers(
    adata: AnnData,
    markers: Mapping[str, Markers],
    *,
    cluster_key: str,
    minimum: float,
    margin: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    genes = [gene for m in markers.values() for gene in (*m.positive, *m.negative)]
    table = panel(adata, genes)
    if table.shape[1] == 0:
        msg = f"None of the markers is in adata.var_names, such as {adata.var_names[0]!r}."
        raise InputError(msg)
    types = np.array([*markers, k.UNASSIGNED], dtype=object)
    allowed = _allowed(adata.obs, markers)
    # a cluster's cells from where a type can occur stand apart from its cells from elsewhere
    where = np.unique(allowed, axis=0, return_inverse=True)[1].ravel()
    clusters = adata.obs[cluster_key].astype("category").cat.codes.to_numpy().astype(int)
    pairs, codes = np.unique(clusters * (where.max() + 1) + where, return_inverse=True)
    means = group_means(table.to_numpy(), codes, len(pairs))
    score = type_scores(pd.DataFrame(means, columns=table.columns), markers)
    of_cluster = np.where(allowed, score[codes], -np.inf)
    if k.obsp.connectivities in adata.obsp:
        around = _neighborhood_means(adata.obsp[k.obsp.connectivities], table.to_numpy())
        local = type_scores(pd.DataFrame(around, columns=table.columns), markers)
        local = np.where(allowed, local, -np.inf)
        best = pick(of_cluster, minimum, margin)[0]
        mine = np.take_along_axis(local, np.minimum(best, len(markers) - 1)[:, None], axis=1)[:, 0]
        mine[best == len(markers)] = minimum - REFINE_MARGIN
        moves = (local.max(axis=1) > mine + REFINE_MARGIN) & (local.max(axis=1) >= minimum)
        of_cluster[moves] = local[moves]
    best, top, lead = pick(of_cluster, minimum, margin)
    return types[best], top, lead


def type_scores(means: pd.DataFrame, markers: Mapping[str, Markers]) -> np.ndarray:
    """Return the score of every type for rows of mean log1p expression.

    Parameters
    ----------
    means
        Clusters or cells x genes found.
    markers
        Markers of each type; a type none of whose positive markers is there scores -inf.

    Returns
    -------
    Rows x types.
    """
    out = np.full((len(means), len(markers)), -np.inf)
    for j, m in enumerate(markers.values()):
        up = [gene for gene in m.positive if gene in means]
        down = [gene for gene in m.negative if gene in means]
        if up:
            # capped gene by gene, so that one abundant transcript, HBB say, is not enough
            out[:, j] = np.minimum(means[up].to_numpy() / m.level, CAP).mean(axis=1)
        if up and down:
            out[:, j] -= means[down].to_numpy().mean(axis=1) / m.level
    return out


def pick(
    scores: np.ndarray, minimum: float, margin: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the best type of each row, its score and its lead; the last code is unassigned.

    Parameters
    ----------
    scores
        Rows x types.
    minimum
        Least score.
    margin
        Least lead over the next type.
    """
    n_types = scores.shape[1]
    best = scores.argmax(axis=1)
    order = np.sort(scores, axis=1)
    top = order[:, -1]
    second = order[:, -2] if n_types > 1 else np.full(len(top), -np.inf)
    with np.errstate(invalid="ignore"):
        lead = np.where(np.isfinite(second), top - second, top)
    won = (top >= minimum) & (lead >= margin)
    return np.where(won, best, n_types), np.where(np.isfinite(top), top, np.nan), lead


def _allowed(obs: pd.DataFrame, markers: Mapping[str, Markers]) -> np.ndarray:
    out = np.ones((len(obs), len(markers)), dtype=bool)
    for j, m in enumerate(markers.values()):
        for column, values in m.only_in.items():
            if column in obs:
                out[:, j] &= obs[column].isin(list(values)).to_numpy()
            else:
                out[:, j] = False
    return out


def _neighborhood_means(graph: Any, values: np.ndarray) -> np.ndarray:
    """Average over the neighbors, each with its weight in the graph, and the cell itself."""
    weights = np.asarray(graph.sum(axis=1), dtype=np.float32).ravel()[:, None]
    around = (graph @ values) / np.maximum(weights, 1e-12)
    own = np.where(weights > 0, SELF_WEIGHT, 1.0)
    return own * values + (1 - own) * around


def _by_thresholds(adata: AnnData, rules: Sequence[Threshold], cluster_key: str) -> np.ndarray:
    table = panel(adata, [rule.gene for rule in rules])
    clusters = adata.obs[cluster_key].astype("category")
    codes = clusters.cat.codes.to_numpy()
    means = pd.DataFrame(
        group_means(table.to_numpy(), codes, len(clusters.cat.categories)), columns=table.columns
    )
    names = np.full(len(means), k.UNASSIGNED, dtype=object)
    for rule in rules:
        if rule.gene in means:
            names[(means[rule.gene] > rule.above).to_numpy()] = rule.cell_type
    return np.where(codes >= 0, names[codes], k.UNASSIGNED)
