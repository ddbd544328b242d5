"""Stand-in until the room is furnished."""
from cartscope.tl.de import (
    DE_ENGINES,
    DifferentialExpressionFit,
    differential_expression,
    fit_differential_expression,
)
