from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.pp import _kernels
from cartscope.pp._core import counts_csr, group_codes, ordered_map, record, target
from cartscope.pp._knn import search
from cartscope.pp._variable_genes import dispersions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData

_GENES = 1500
_COMPONENTS = 30
_CLIP = 10.0
_SIMULATED_PER_CELL = 2
_MOST_SCORED = 2000  # simulated doublets whose scores make the histogram
_FEWEST_EXPRESSED = 3  # cells a gene must occur in
_RATE_PER_CELL = 8e-6  # 10x Genomics: 0.8% doublets per 1,000 cells recovered
_RATE_SD = 0.02
_BINS = 256
_ORDINARY = 0.95  # quantile of the cells' scores above which a simulated doublet stands out
_PLAUSIBLE = (0.5, 3.0)  # called doublets over expected ones


def doublet_scores(
    counts: sparse.csr_matrix, *, rate: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Score the cells of one library by the share of simulated doublets around them.

    Cells are added in random pairs, put in one space of principal components with the cells, and a
    cell's score is the probability of a doublet given how many of its neighbours are simulated
    (Wolock et al. 2019, doi 10.1016/j.cels.2018.11.005).

    Parameters
    ----------
    counts
        Cells x genes of one library, raw.
    rate
        Expected share of doublets, 0-1.
    rng
        Draws the pairs.

    Returns
    -------
    Scores of the cells, and of at most 2,000 simulated doublets, 0-1.
    """
    n = counts.shape[0]
    everything = np.ones(counts.shape[1], dtype=bool)
    total = _kernels.row_totals(counts.data, counts.indices, counts.indptr, everything)
    sums, squares, present = np.zeros((3, counts.shape[1]))
    scale = 1e4 / np.maximum(total, 1)
    _kernels.scaled_moments(
        counts.data, counts.indices, counts.indptr, scale, sums, squares, present
    )
    usable = np.flatnonzero(present >= _FEWEST_EXPRESSED)
    mean = sums[usable] / n
    variance = np.maximum(squares[usable] - n * mean**2, 0) / (n - 1)
    _, norm = dispersions(mean, variance)
    best = np.argsort(-np.nan_to_num(norm, nan=-np.inf), kind="stable")[:_GENES]
    genes = np.sort(usable[best])
    if genes.size < _COMPONENTS + 1:
        msg = f"only {genes.size} genes occur in {_FEWEST_EXPRESSED} cells or more"
        raise InputError(msg)

    part = sparse.csr_matrix(counts[:, genes], dtype=np.float32)
    pairs = rng.integers(0, n, size=(_SIMULATED_PER_CELL * n, 2))
    points = _embed(part, total, pairs=pairs, rng=rng)
    n_all, k_cells = points.shape[0], max(round(0.5 * np.sqrt(n)), 5)
    n_near = min(round(k_cells * (1 + _SIMULATED_PER_CELL)), n_all - 1)
    n_asked = n + min(n, _MOST_SCORED)
    found, _ = search(points, points[:n_asked], n_near + 1, exact=True)
    simulated = (found[:, 1:] >= n).sum(axis=1)
    share = (simulated + 1.0) / (n_near + 2.0)
    ratio = float(_SIMULATED_PER_CELL)
    score = share * rate / ratio / (1 - rate - share * (1 - rate - rate / ratio))
    return score[:n], score[n:]


def _embed(
    part: sparse.csr_matrix, total: np.ndarray, *, pairs: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Put cells and pairs of cells in the space of the cells' principal components."""
    from scipy.sparse.linalg import eigsh
    from threadpoolctl import threadpool_limits

    def scaled(rows: sparse.csr_matrix, totals: np.ndarray) -> np.ndarray:
        return np.log1p(rows.toarray() * (1e4 / np.maximum(totals, 1))[:, None].astype(np.float32))

    with threadpool_limits(limits=1):
        cells = scaled(part, total)  # one library, a few thousand cells, 1,500 genes
        center = cells.mean(axis=0, dtype=np.float64).astype(np.float32)
        spread = cells.std(axis=0, dtype=np.float64).astype(np.float32)
        spread[spread == 0] = 1

        def standard(block: np.ndarray) -> np.ndarray:
            block -= center
            block /= spread
            return np.clip(block, -_CLIP, _CLIP, out=block)

        cells = standard(cells)
        gram = (cells.T @ cells).astype(np.float64)
        start = rng.normal(size=gram.shape[0])
        vectors = eigsh(gram, k=_COMPONENTS, v0=start)[1].astype(np.float32)
        out = np.empty((cells.shape[0] + pairs.shape[0], _COMPONENTS), dtype=np.float32)
        out[: cells.shape[0]] = cells @ vectors
        del cells
        for begin in range(0, pairs.shape[0], 2048):
            one, two = pairs[begin : begin + 2048].T
            block = standard(scaled(part[one] + part[two], total[one] + total[two]))
            at = part.shape[0] + begin
            out[at : at + block.shape[0]] = block @ vectors
    return out


def valley(scores: np.ndarray) -> float | None:
    """Return the lowest point between the two modes of a histogram, or None without two modes.

    Parameters
    ----------
    scores
        Scores of simulated doublets: the mode of those within one cell type, and that of those
        between two.

    Returns
    -------
    The histogram is smoothed until two maxima are left (Prewitt and Mendelsohn 1966).
    """
    height, edges = np.histogram(scores, bins=_BINS)
    smooth = height.astype(float)
    padded = np.empty(smooth.size + 2)
    for _ in range(10_000):
        rises = np.sign(np.diff(smooth))
        steps = rises[rises != 0]
        where = np.flatnonzero(rises != 0)
        turns = np.flatnonzero((steps[:-1] > 0) & (steps[1:] < 0))
        n_modes = turns.size + int(steps.size > 0 and steps[0] < 0)
        n_modes += int(steps.size > 0 and steps[-1] > 0)
        if n_modes <= 2:  # noqa: PLR2004
            break
        padded[1:-1], padded[0], padded[-1] = smooth, smooth[0], smooth[-1]
        smooth = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    if n_modes != 2:  # noqa: PLR2004
        return None
    peaks = ([0] if steps[0] < 0 else []) + [int(where[t + 1]) for t in turns]
    peaks += [smooth.size - 1] if steps[-1] > 0 else []
    low, high = peaks
    lowest = low + int(np.argmin(smooth[low : high + 1]))
    return float((edges[lowest] + edges[lowest + 1]) / 2)


def threshold(scores: np.ndarray, simulated: np.ndarray, *, rate: float) -> tuple[float, str]:
    """Return the score above which a cell is called a doublet, and how it was found.

    Parameters
    ----------
    scores
        Scores of the cells.
    simulated
        Scores of simulated doublets.
    rate
        Expected share of doublets, 0-1.

    Returns
    -------
    The valley between the two modes of the simulated scores, as Scrublet has it, if it calls a
    plausible number of cells: half to three times as many as expected. In small or shallow
    libraries it often does not; then as many cells are called as expected, less the share of
    simulated doublets that do not stand out from 95% of the cells.
    """
    expected = rate * scores.size
    cut = valley(simulated)
    if cut is not None:
        called = int((scores > cut).sum())
        if _PLAUSIBLE[0] * expected <= called <= _PLAUSIBLE[1] * expected:
            return cut, f"simulated doublets, score above {cut:.3f} (valley)"
    visible = float((simulated > np.quantile(scores, _ORDINARY)).mean())
    n_called = max(round(expected * visible), 1)
    # scores are counts of neighbours in disguise, so that many are alike: ties are called together
    cut = float(np.nextafter(np.sort(scores)[-n_called], -np.inf))
    return cut, f"simulated doublets, score above {cut:.3f} (expected number: no clear valley)"


def doublets(
    adata: AnnData,
    *,
    sample_key: str = k.obs.sample,
    skip: Sequence[str] | Mapping[str, str] = (),
    min_cells: int = 100,
    expected_rate: float | None = None,
    random_state: int = 0,
    n_jobs: int = 1,
    copy: bool = False,
) -> AnnData | None:
    """Score doublets library by library with simulated ones (the idea of Scrublet).

    Doublets of two different cell types are found; those of two alike cells cannot be. In libraries
    of nearly one cell type, such as infusion products, the score means nothing: name them in
    ``skip``.

    Parameters
    ----------
    adata
        Cells x genes with raw counts in ``layers["counts"]``, else in ``X``. After :func:`qc`, only
        the cells that passed are scored.
    sample_key
        Column of ``obs`` with the library or channel in which doublets form.
    skip
        Libraries that are not scored, or a mapping from them to the reason.
    min_cells
        Libraries with fewer cells are not scored.
    expected_rate
        Expected share of doublets, 0-1; by the number of cells, 0.8% per 1,000, when None.
    random_state
        Seed; each library has its own stream.
    n_jobs
        Libraries at once; the result is the same for any number.
    copy
        Whether to write to a copy and return it.

    Returns
    -------
    None, or the copy. Writes ``obs["doublet_score"]`` (0-1, missing where not scored) and
    ``obs["predicted_doublet"]`` (bool, False where not scored); for each library how it was scored,
    or why not, in ``uns["cartscope"]["doublets"]``, which :func:`qc_table` shows.

    Raises
    ------
    InputError
        If ``skip`` names a library that is not there.
    MissingKeyError
        If ``obs`` has no column ``sample_key``.

    Examples
    --------
    >>> import anndata, numpy as np, cartscope as cs
    >>> rng = np.random.default_rng(0)
    >>> adata = anndata.AnnData(rng.poisson(1.0, (120, 60)))
    >>> adata.obs["sample"] = ["product"] * 120
    >>> cs.pp.doublets(adata, skip={"product": "an infusion product: nearly all T cells"})
    >>> int(adata.obs["doublet_score"].isna().sum())
    120
    """
    adata = target(adata, copy=copy)
    counts = counts_csr(adata)
    codes, names = group_codes(adata, sample_key)
    unknown = sorted(set(skip) - set(names))
    if unknown:
        msg = f"skip names {unknown}, but obs[{sample_key!r}] has {names}."
        raise InputError(msg)
    if expected_rate is not None and not 0 < expected_rate < 1:
        msg = f"expected_rate is {expected_rate}, but must be between 0 and 1."
        raise InputError(msg)
    passed = np.ones(adata.n_obs, dtype=bool)
    if k.obs.qc_pass in adata.obs:
        passed = adata.obs[k.obs.qc_pass].to_numpy(dtype=bool)
    score = np.full(adata.n_obs, np.nan)
    called = np.zeros(adata.n_obs, dtype=bool)
    how = [""] * len(names)

    def one(code: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
        rows = np.flatnonzero((codes == code) & passed)
        nothing = np.full(rows.size, np.nan), np.zeros(rows.size, dtype=bool)
        name = names[code]
        if name in skip:
            reason = skip[name] if hasattr(skip, "keys") else "left out by the user"
            return rows, *nothing, f"not scored: {reason}"
        if rows.size < min_cells:
            return rows, *nothing, f"not scored: {rows.size} cells, below {min_cells}"
        rate = expected_rate or float(np.clip(_RATE_PER_CELL * rows.size, 0.01, 0.2))
        rng = stream(random_state, "doublets", name)
        try:
            own, simulated = doublet_scores(counts[rows], rate=rate, rng=rng)
        except InputError as error:
            return rows, *nothing, f"not scored: {error}"
        cut, text = threshold(own, simulated, rate=rate)
        return rows, own, own > cut, text

    results = ordered_map(one, range(len(names)), n_jobs=n_jobs)
    for code, (rows, own, is_doublet, text) in enumerate(results):
        score[rows], called[rows], how[code] = own, is_doublet, text
    adata.obs[k.obs.doublet_score] = score
    adata.obs[k.obs.predicted_doublet] = called
    parameters = {"samples": names, "how": how, "sample_key": sample_key}
    record(adata, "doublets", parameters | {"seed": int(random_state), "rate": expected_rate})
    return adata if copy else None
