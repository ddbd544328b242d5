"""Single counts that decide a regression: Cook's distance, gene by gene.

Imported only when a model is fitted, because PyDESeq2 takes seconds to import.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydeseq2.utils import robust_method_of_moments_disp

from cartscope.tl.de._faithful import cooks_cutoff, in_cells_of

_FEWEST = 3  # of two samples nobody can say which is the wild one


def decided_by_one_count(
    counts: np.ndarray,
    mu: np.ndarray,
    leverages: np.ndarray,
    *,
    size_factors: np.ndarray,
    matrix: np.ndarray,
) -> np.ndarray:
    """Return which genes have a sample whose Cook's distance is too large, as DESeq2 judges it.

    The distance rests on a trimmed dispersion, so that a gene that varies in many samples is not
    set aside. Only samples in design cells of at least three are judged.

    Parameters
    ----------
    counts
        Genes x samples.
    mu
        Genes x samples, fitted means.
    leverages
        Genes x samples.
    size_factors
        One per sample.
    matrix
        Samples x coefficients.
    """
    judged = in_cells_of(matrix, _FEWEST)
    if not judged.any() or not len(counts):
        return np.zeros(len(counts), dtype=bool)
    design = pd.DataFrame(matrix)
    typical = robust_method_of_moments_disp((counts / size_factors).T, design)[:, None]
    distance = (counts - mu) ** 2 / (mu + typical * mu**2) / matrix.shape[1]
    distance *= leverages / (1 - leverages) ** 2
    return (distance[:, judged] > cooks_cutoff(*matrix.shape)).any(axis=1)
