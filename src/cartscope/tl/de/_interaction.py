"""An interaction, never without the simple effects it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._errors import EstimabilityError, InputError
from cartscope._schema import DE
from cartscope.tl.de._contrast import plain_name

if TYPE_CHECKING:
    from cartscope.tl.de._design import Design
    from cartscope.tl.de._run import DifferentialExpressionFit

_TWO = 2


def interaction_effects(
    fit: DifferentialExpressionFit, factor: str, modifier: str, *, name: str | None = None
) -> pd.DataFrame:
    """Test whether the effect of a factor differs between the levels of another.

    An interaction alone misleads: a gene may have it because it rises in one arm, or because it
    falls in the other. So the effect within each arm is always given beside it.

    Parameters
    ----------
    fit
        A fit whose design holds both variables and their product: ``"~ anakinra * group"``.
    factor
        What is compared, with two levels: ``"group"``.
    modifier
        What may change the effect, with two levels: ``"anakinra"``.
    name
        What the column ``contrast`` says for the interaction; the simple effects add
        ``" within modifier=level"`` to it.

    Returns
    -------
    A table with the columns of ``cartscope._schema.DE``: the effect within each level of the
    modifier, the reference first, then the interaction, which is the second less the first. An
    effect that the design cannot estimate has rows without values, and says why in ``reason``.

    Raises
    ------
    EstimabilityError
        The interaction itself cannot be estimated.
    InputError
        The design has no such interaction, or a variable has not two levels.

    Examples
    --------
    >>> import anndata as ad, numpy as np, pandas as pd
    >>> from cartscope.tl import fit_differential_expression, interaction_effects
    >>> counts = np.random.default_rng(0).poisson(20, (12, 30))
    >>> obs = pd.DataFrame({"drug": list("nnnnnnyyyyyy"), "grade": list("hhhlllhhhlll")},
    ...                    index=[f"p{i}" for i in range(12)])
    >>> fit = fit_differential_expression(ad.AnnData(counts, obs=obs), design="~ drug * grade")
    >>> interaction_effects(fit, "grade", "drug", name="crs")["contrast"].unique().tolist()
    ['crs within drug=n', 'crs within drug=y', 'crs']
    """
    design = fit.design
    if f"{factor}:{modifier}" not in design.terms and f"{modifier}:{factor}" not in design.terms:
        msg = (
            f"design {design.formula!r} has no interaction of {factor!r} and {modifier!r}; it has "
            f"the terms {list(design.terms)}. Write '~ {modifier} * {factor}'."
        )
        raise InputError(msg)
    low, high = _two_levels(design, factor)
    rows = {
        at: design.rows(**{factor: high, modifier: at}) - design.rows(**{factor: low, modifier: at})
        for at in _two_levels(design, modifier)
    }
    first, second = rows.values()
    crossed = second - first
    column = int(np.flatnonzero(crossed)[0])
    label = name or f"{factor}: {high} vs {low}"
    interaction = fit.test(crossed, name=name or plain_name(design.names[column]))
    tables = []
    for at, vector in rows.items():
        within = f"{label} within {modifier}={at}"
        try:
            tables.append(fit.test(vector, name=within))
        except EstimabilityError as error:
            empty = [DE.blank(contrast=within, gene=str(g), reason=str(error)) for g in fit.genes]
            tables.append(DE.check(pd.DataFrame(empty)))
    return DE.check(pd.concat([*tables, interaction], ignore_index=True))


def _two_levels(design: Design, variable: str) -> tuple[object, object]:
    if variable in design.factors:
        levels = design.levels(variable)
    else:
        levels = sorted({float(v) for v in design.frame[variable]})
    if len(levels) != _TWO:
        msg = f"{variable!r} has the levels {levels}; an interaction is shown for two."
        raise InputError(msg)
    return levels[0], levels[1]
