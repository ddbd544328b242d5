"""Engine "wilcoxon": exact rank tests on log counts per million."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._errors import InputError
from cartscope.stats import benjamini_hochberg, hodges_lehmann, mann_whitney, signed_rank
from cartscope.tl.de._method import CountTable, Engine
from cartscope.tl.de._rank_deficiency import sample_weights
from cartscope.tl.de._tmm import tmm_factors

if TYPE_CHECKING:
    from cartscope.tl.de._method import FittedContrast


@dataclass(frozen=True)
class WilcoxonOptions:
    """Options of the engine."""

    block: str | None = None
    n_jobs: int = 1


@dataclass(frozen=True)
class WilcoxonState:
    """What a fit leaves behind."""

    log_cpm: np.ndarray  # genes x samples, log2(counts per million + 1): no counts are a tie
    base_mean: np.ndarray
    matrix: np.ndarray
    blocks: np.ndarray | None


def fit(table: CountTable, matrix: np.ndarray, options: WilcoxonOptions) -> WilcoxonState:
    """Normalise; a rank test has nothing to fit. See :class:`Engine`."""
    if len(np.unique(matrix, axis=0)) != matrix.shape[1]:
        msg = (
            "a rank test compares groups and cannot adjust for anything else; use a design with "
            "one factor, '~ group', and block='patient' for paired samples."
        )
        raise InputError(msg)
    blocks = None
    if options.block is not None:
        if options.block not in table.obs:
            have = list(table.obs.columns)
            msg = f"block is {options.block!r}, but obs has no such column; it has {have}."
            raise InputError(msg)
        blocks = table.obs[options.block].astype(str).to_numpy()
    totals = table.counts.sum(axis=1)
    if (totals == 0).any():
        names = ", ".join(table.samples[totals == 0][:5])
        msg = f"some samples have no counts at all ({names}); leave them out."
        raise InputError(msg)
    library = totals * tmm_factors(table.counts)
    scale = library / np.exp(np.log(library).mean())
    return WilcoxonState(
        log_cpm=np.log2(table.counts / library[:, None] * 1e6 + 1).T,
        base_mean=(table.counts / scale[:, None]).mean(axis=0),
        matrix=matrix,
        blocks=blocks,
    )


def test(state: WilcoxonState, contrast: FittedContrast, options: WilcoxonOptions) -> pd.DataFrame:  # noqa: ARG001
    """Test two groups of samples; see :class:`Engine`."""
    weights = sample_weights(state.matrix, contrast.vector)
    group, reference = np.flatnonzero(weights > 0), np.flatnonzero(weights < 0)
    if not group.size or not reference.size:
        msg = "a rank test needs a contrast between two groups: (factor, level, reference)."
        raise InputError(msg)
    if state.blocks is None:
        x, y = state.log_cpm[:, group].T, state.log_cpm[:, reference].T
        result = mann_whitney(x, y)
        log2_fc = np.asarray(hodges_lehmann(x, y).estimate)
        stat = result.u - group.size * reference.size / 2
        p = np.array(result.p_value)
    else:
        x, y = _pairs(state, group, reference)
        signed = signed_rank(x - y)
        log2_fc = np.median(x - y, axis=0)
        counted = (x != y).sum(axis=0)
        stat = signed.v - counted * (counted + 1) / 4
        p = np.array(signed.p_value)
    empty = ~state.log_cpm.any(axis=1)
    p[empty], log2_fc[empty] = np.nan, np.nan
    return pd.DataFrame(
        {
            "base_mean": state.base_mean,
            "log2_fc": log2_fc,
            "se": np.nan,
            "stat": np.where(empty, np.nan, stat),
            "df": np.nan,  # U has a distribution of its own
            "p_value": p,
            "fdr": benjamini_hochberg(p),
            "reason": np.where(empty, "no counts", ""),
        }
    )


def _pairs(
    state: WilcoxonState, group: np.ndarray, reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    blocks = np.asarray(state.blocks)
    first = {b: i for i, b in zip(group, blocks[group], strict=True)}
    second = {b: i for i, b in zip(reference, blocks[reference], strict=True)}
    if len(first) != group.size or len(second) != reference.size:
        msg = "a block has several samples in one group; a signed-rank test needs one in each."
        raise InputError(msg)
    both = [b for b in first if b in second]
    if len(both) < 2:  # noqa: PLR2004  (one pair has no rank)
        msg = f"only {len(both)} block(s) have a sample in both groups; a paired test needs 2."
        raise InputError(msg)
    x = state.log_cpm[:, [first[b] for b in both]].T
    return x, state.log_cpm[:, [second[b] for b in both]].T


WILCOXON = Engine(
    name="wilcoxon",
    fit=fit,
    test=test,
    options=WilcoxonOptions,
    what="exact Mann-Whitney U (or signed-rank) test on log counts per million",
    doi="10.1214/aoms/1177730491",
)
