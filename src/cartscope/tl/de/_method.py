"""What an engine is: a pure fit, a pure test, and the options it knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    from cartscope.tl.de._design import Design, ResolvedContrast


@dataclass(frozen=True)
class CountTable:
    """Samples x genes, dense because pseudobulk is small."""

    counts: np.ndarray
    samples: pd.Index
    genes: pd.Index
    obs: pd.DataFrame


@dataclass(frozen=True)
class Engine:
    """A way to test genes.

    ``fit(table, design, options)`` returns the fitted state, ``test(state, contrast, options)`` a
    table indexed like the genes with base_mean, log2_fc, se, stat, p_value, fdr and reason.
    """

    name: str
    fit: Callable[[CountTable, Design, Any], Any]
    test: Callable[[Any, ResolvedContrast, Any], pd.DataFrame]
    options: type
    what: str
    doi: str
    numeric_contrasts: bool = True
