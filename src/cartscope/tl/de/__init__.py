"""Differential expression between patients: engines, designs and what they can estimate."""

from cartscope.tl.de._engines import DE_ENGINES
from cartscope.tl.de._estimability import EstimabilityReport, estimability
from cartscope.tl.de._run import (
    DifferentialExpressionFit,
    differential_expression,
    fit_differential_expression,
)

__all__ = [
    "DE_ENGINES",
    "DifferentialExpressionFit",
    "EstimabilityReport",
    "differential_expression",
    "estimability",
    "fit_differential_expression",
]
