from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from cartscope import _check
from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope.tl._expression import columns, gene_positions, nearest, panel
from cartscope.tl._t_markers import T_MARKERS
from cartscope.tl._t_subset_model import fit_states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from scipy import sparse

RULES: Final = ("published", "recommended")
LEAST: Final = 0.55  # probability of the lineage below which a cell stays unassigned
MIN_CELLS: Final = 50  # T cells below which nothing is gated
# most of a marker where it is down, against where it is up: CD4 T cells hardly have any CD8A but
# that of the soup, while markers of subsets go up and down by degrees
LINEAGES_APART: Final = 0.1
SUBSETS_APART: Final = 0.5


@dataclass(frozen=True)
class Gates:
    """Thresholds of the published gates, on neighbor-averaged log1p expression.

    CD45RA and CD45RO are isoforms of one gene, which gene counts cannot tell apart. What stands
    for CD45RA here is a proxy: the mean of ``ra_genes`` minus the mean of ``ro_genes``.
    """

    n_neighbors: int = 20
    n_comps: int = 15
    use_rep: str = k.obsm.pca
    min_cells: int = MIN_CELLS
    cd3d: float = 0.75
    cd4: float = 0.25
    cd8a: float = 0.75
    ccr7: float = 0.5
    ra: float = -1.0
    foxp3: float = 0.75
    nkg7: float = 1.0
    ra_genes: tuple[str, ...] = (
        *("LEF1", "TCF7", "MAL", "NOSIP", "LRRN3", "FGFBP2", "CX3CR1", "GNLY", "FCGR3A"),
    )
    ro_genes: tuple[str, ...] = ("S100A4", "S100A11", "ITGB1", "ANXA1", "LGALS1", "GZMK", "IL32")


def t_subsets(
    adata: AnnData,
    *,
    rule: str = "recommended",
    gates: Mapping[str, Any] | None = None,
    markers: Mapping[str, Any] | None = None,
    sample_key: str = k.obs.sample,
    cell_type_key: str = k.obs.cell_type,
    copy: bool = False,
    n_jobs: int = 1,
) -> AnnData | None:
    """Gate T cells into CD4 and CD8 and their subsets.

    ``published``: expression is averaged over each T cell and its nearest T cells of the same
    sample, then gated as in flow cytometry: lineage by CD4 and CD8A, then CCR7 and a proxy of
    CD45RA; naive is RA+ CCR7+, CM RA- CCR7+, EM RA- CCR7-, TEMRA RA+ CCR7-. Then CD4 T cells with
    FOXP3 are Treg, those with NKG7 CD4 CTL, which overrides. Samples with too few T cells stay
    unassigned. ``recommended``: first the lineage, then the subset within it, by a negative
    binomial mixture on raw counts of marker genes, whose components are anchored by which markers
    are up and down; the subsets of a cell's neighbors count as prior.

    Parameters
    ----------
    adata
        Cells x genes, log1p in ``X``, raw counts in ``layers["counts"]``.
    rule
        "published" or "recommended".
    gates
        Fields of :class:`Gates` that differ from the defaults.
    markers
        For the recommended rule: each of "CD4", "CD8" and the subsets, with lists ``up`` and
        ``down`` of genes, and ``lineage`` for a subset; by default general T-cell markers.
    sample_key
        Column of ``obs`` with the library.
    cell_type_key
        Column of ``obs`` with the cell type; only cells of type "T" are gated.
    copy
        Return a changed copy and leave ``adata`` as it is.
    n_jobs
        Threads.

    Returns
    -------
    None, or the copy. ``obs`` gets t_lineage (CD4, CD8, unassigned) and t_subset.

    Raises
    ------
    MissingKeyError
        If cell types, samples or the embedding are missing.
    InputError
        If a gate is unknown, or none of a subset's markers is in ``var_names``.

    Examples
    --------
    >>> import numpy as np, pandas as pd, cartscope as cs
    >>> from anndata import AnnData
    >>> obs = pd.DataFrame({"sample": "s", "cell_type": "T"}, index=[str(i) for i in range(60)])
    >>> a = AnnData(np.ones((60, 3), dtype="float32") * [1, 1, 0], obs=obs)
    >>> a.var_names = ["CD3D", "CD4", "CD8A"]
    >>> a.obsm["X_pca"] = np.random.default_rng(0).normal(size=(60, 2))
    >>> cs.tl.t_subsets(a, rule="published")
    >>> a.obs["t_lineage"].unique().tolist()
    ['CD4']
    """
    adata = adata.copy() if copy else adata
    _check.one_of(rule, RULES, name="rule")
    try:
        gate = replace(Gates(), **dict(gates or {}))
    except TypeError as error:
        msg = f"gates: {error}; fields are {sorted(asdict(Gates()))}."
        raise InputError(msg) from error
    _check.require(adata, "obs", cell_type_key, made_by="tl.annotate")
    is_t = (adata.obs[cell_type_key] == "T").to_numpy()
    if rule == "published":
        _check.require(adata, "obs", sample_key, made_by="io.read_cohort")
        _check.require(adata, "obsm", gate.use_rep, made_by="pp.pca")
        samples = adata.obs[sample_key].astype("category").cat.codes.to_numpy()
        lineage, subset = _published(adata, is_t, samples=samples, gate=gate, n_jobs=n_jobs)
    else:
        use = T_MARKERS if markers is None else markers
        lineage, subset = _recommended(adata, is_t, markers=use, gate=gate, n_jobs=n_jobs)
    adata.obs[k.obs.t_lineage] = pd.Categorical(lineage)
    adata.obs[k.obs.t_subset] = pd.Categorical(subset)
    return adata if copy else None


def _published(
    adata: AnnData, is_t: np.ndarray, *, samples: np.ndarray, gate: Gates, n_jobs: int
) -> tuple[np.ndarray, np.ndarray]:
    table = _gate_panel(adata, gate)
    lineage = np.full(adata.n_obs, k.UNASSIGNED, dtype=object)
    subset = lineage.copy()
    points = np.asarray(adata.obsm[gate.use_rep])[:, : gate.n_comps]
    for sample in np.unique(samples[is_t]):
        rows = np.flatnonzero(is_t & (samples == sample))
        if len(rows) >= gate.min_cells:
            smooth = nearest(points[rows], gate.n_neighbors, n_jobs) @ table[rows]
            lineage[rows], subset[rows] = gate_cells(smooth, gate)
    return lineage, subset


def _gate_panel(adata: AnnData, gate: Gates) -> np.ndarray:
    """Return CD3D, CD4, CD8A, CCR7, the CD45RA proxy, FOXP3 and NKG7 of every cell."""
    single = ("CD3D", "CD4", "CD8A", "CCR7", "FOXP3", "NKG7")
    table = panel(adata, [*single, *gate.ra_genes, *gate.ro_genes])

    def mean(*names: str) -> np.ndarray:
        have = [name for name in names if name in table]
        return table[have].mean(axis=1).to_numpy() if have else np.zeros(len(table))

    parts = [mean(name) for name in single]
    parts.insert(4, mean(*gate.ra_genes) - mean(*gate.ro_genes))
    return np.column_stack(parts).astype(np.float32)


def gate_cells(smooth: np.ndarray, gate: Gates) -> tuple[np.ndarray, np.ndarray]:
    """Return lineage and subset of each row of smoothed expression.

    Parameters
    ----------
    smooth
        Cells x the quantities CD3D, CD4, CD8A, CCR7, CD45RA proxy, FOXP3, NKG7.
    gate
        Thresholds.
    """
    cd3d, cd4, cd8a, ccr7, ra, foxp3, nkg7 = smooth.T
    is_t = cd3d > gate.cd3d
    is_cd8 = is_t & (cd8a >= gate.cd8a) & (cd4 < gate.cd4)
    is_cd4 = is_t & (cd4 >= gate.cd4) & (cd8a < gate.cd8a)
    lineage = np.select([is_cd4, is_cd8], ["CD4", "CD8"], k.UNASSIGNED).astype(object)
    has_ra, has_ccr7 = ra >= gate.ra, ccr7 >= gate.ccr7
    state = np.select(
        [has_ra & has_ccr7, ~has_ra & has_ccr7, ~has_ra & ~has_ccr7],
        ["naive", "CM", "EM"],
        "TEMRA",
    ).astype(object)
    subset = np.where(lineage == k.UNASSIGNED, k.UNASSIGNED, lineage + " " + state).astype(object)
    # Treg and CTL look at CD4 alone, double positives too, and CTL overrides Treg: code of 2022
    any_cd4 = is_t & (cd4 >= gate.cd4)
    subset[any_cd4 & (foxp3 >= gate.foxp3)] = "Treg"
    subset[any_cd4 & (nkg7 >= gate.nkg7)] = "CD4 CTL"
    return lineage, subset


def _recommended(
    adata: AnnData, is_t: np.ndarray, *, markers: Mapping[str, Any], gate: Gates, n_jobs: int
) -> tuple[np.ndarray, np.ndarray]:
    lineage = np.full(adata.n_obs, k.UNASSIGNED, dtype=object)
    subset = lineage.copy()
    rows = np.flatnonzero(is_t)
    if len(rows) < MIN_CELLS:
        return lineage, subset
    counts = _check.raw_counts(adata)
    depth = np.asarray(counts.sum(axis=1), dtype=float).ravel()

    def states(at: np.ndarray, names: list[str], *, apart: float) -> np.ndarray:
        positions, signs = _signs(adata.var_names, {name: markers[name] for name in names})
        smooth = _averaging(adata, at, gate=gate, n_jobs=n_jobs)
        panel_counts = columns(counts[at], positions)
        return fit_states(panel_counts, depth[at], signs, smooth=smooth, apart=apart)

    # not all states at once: subsets are told by many genes and lineages by few, which the many
    # overrule in libraries that have next to no cells of one lineage
    lineages = [name for name in markers if not dict(markers[name]).get("lineage")]
    p = states(rows, lineages, apart=LINEAGES_APART)
    sure = p.max(axis=1) >= LEAST
    lineage[rows[sure]] = np.array(lineages, dtype=object)[p.argmax(axis=1)[sure]]
    for name in lineages:
        own = [subset_ for subset_ in markers if dict(markers[subset_]).get("lineage") == name]
        at = np.flatnonzero(lineage == name)
        if own and len(at) >= MIN_CELLS:
            best = states(at, own, apart=SUBSETS_APART).argmax(axis=1)
            subset[at] = np.array(own, dtype=object)[best]
    return lineage, subset


def _signs(names: pd.Index, markers: Mapping[str, Any]) -> tuple[list[int], np.ndarray]:
    """Return the columns of the marker genes and states x genes: 1 up, -1 down, else 0."""
    genes = [g for m in markers.values() for g in (*m["up"], *m["down"])]
    at = gene_positions(names, genes)
    signs = np.zeros((len(markers), len(at)))
    for i, (name, m) in enumerate(markers.items()):
        for j, gene in enumerate(at):
            signs[i, j] = 1 if gene in m["up"] else -1 if gene in m["down"] else 0
        if not (signs[i] > 0).any():
            msg = f"markers[{name!r}]: none of the genes that are up is in adata.var_names."
            raise InputError(msg)
    return list(at.values()), signs


def _averaging(adata: AnnData, rows: np.ndarray, *, gate: Gates, n_jobs: int) -> sparse.csr_matrix:
    """Return the matrix that averages over a cell and its neighbors among ``rows``."""
    from scipy import sparse

    if k.obsp.connectivities in adata.obsp:
        graph = adata.obsp[k.obsp.connectivities][rows][:, rows].tocsr().astype(np.float32)
        graph = graph + sparse.identity(len(rows), dtype=np.float32, format="csr")
        size = np.asarray(graph.sum(axis=1)).ravel()
        return sparse.diags((1.0 / size).astype(np.float32)) @ graph
    _check.require(adata, "obsm", gate.use_rep, made_by="pp.pca")
    return nearest(np.asarray(adata.obsm[gate.use_rep])[rows], gate.n_neighbors, n_jobs)
