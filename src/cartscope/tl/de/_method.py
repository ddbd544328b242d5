"""What an engine is: a pure fit, a pure test, and the options it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class CountTable:
    """Samples x genes, dense because pseudobulk is small."""

    counts: np.ndarray
    samples: pd.Index
    genes: pd.Index
    obs: pd.DataFrame


@dataclass(frozen=True)
class FittedContrast:
    """A contrast over the columns that were fitted.

    ``samples`` marks the samples of the two levels where the contrast compares levels of a factor.
    """

    vector: np.ndarray
    samples: np.ndarray | None = None


@dataclass(frozen=True)
class Engine:
    """A way to test genes.

    ``fit(table, matrix, options)`` gets a design of full column rank and returns the fitted state;
    ``test(state, contrast, options)`` gets a :class:`FittedContrast` and returns a table in the
    order of the genes, with base_mean, log2_fc, se, stat, df, p_value, fdr and reason.
    """

    name: str
    fit: Callable[[CountTable, np.ndarray, Any], Any]
    test: Callable[[Any, FittedContrast, Any], pd.DataFrame]
    options: type
    what: str
    doi: str
