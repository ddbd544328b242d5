"""Names that PyDESeq2 0.5 gives to the slots of its own data set, which is an AnnData."""

from __future__ import annotations

from typing import Final

COOKS: Final = "cooks"
DESIGN_MATRIX: Final = "design_matrix"
DISPERSIONS: Final = "dispersions"
DISP_FUNCTION_TYPE: Final = "disp_function_type"
FITTED_DISPERSIONS: Final = "fitted_dispersions"
GENEWISE_DISPERSIONS: Final = "genewise_dispersions"
LFC: Final = "LFC"
LFC_CONVERGED: Final = "_LFC_converged"
MAP_CONVERGED: Final = "_MAP_converged"
MAP_DISPERSIONS: Final = "MAP_dispersions"
MU_HAT: Final = "_mu_hat"
NON_ZERO: Final = "non_zero"
NORMED_COUNTS: Final = "normed_counts"
NORMED_MEANS: Final = "_normed_means"
OUTLIER_GENES: Final = "_outlier_genes"
PRIOR_DISP_VAR: Final = "prior_disp_var"
REFITTED: Final = "refitted"
REPLACEABLE: Final = "replaceable"
REPLACED: Final = "replaced"
SIZE_FACTORS: Final = "size_factors"
SQUARED_LOGRES: Final = "_squared_logres"

# ours: genes without a count left once outliers were replaced
EMPTIED: Final = "emptied"
