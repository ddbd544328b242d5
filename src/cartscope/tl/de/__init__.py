"""Differential expression between patients: engines, designs and what they can estimate."""

from cartscope.tl.de._compare import compare_engines
from cartscope.tl.de._engines import DE_ENGINES
from cartscope.tl.de._estimability import estimability
from cartscope.tl.de._group_dispersion import dispersion_by_group
from cartscope.tl.de._interaction import interaction_effects
from cartscope.tl.de._quasi_refit import quasi_likelihood_fit
from cartscope.tl.de._report import EstimabilityReport
from cartscope.tl.de._run import (
    DifferentialExpressionFit,
    differential_expression,
    fit_differential_expression,
)
from cartscope.tl.de._shrink import shrink_lfc

__all__ = [
    "DE_ENGINES",
    "DifferentialExpressionFit",
    "EstimabilityReport",
    "compare_engines",
    "differential_expression",
    "dispersion_by_group",
    "estimability",
    "fit_differential_expression",
    "interaction_effects",
    "quasi_likelihood_fit",
    "shrink_lfc",
]
