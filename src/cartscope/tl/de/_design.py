"""Formula to design matrix."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cartscope._errors import EstimabilityError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PAIR = 2


@dataclass(frozen=True)
class Design:
    """A formula made into numbers.

    ``frame`` holds the variables of the formula as the model sees them: factors as text categories
    without unused levels, numbers as they were given.
    """

    formula: str
    frame: pd.DataFrame
    matrix: np.ndarray
    names: tuple[str, ...]
    terms: dict[str, tuple[int, ...]]
    spec: Any

    @property
    def factors(self) -> tuple[str, ...]:
        """Variables that are factors, in the formula's order."""
        return tuple(c for c in self.frame if isinstance(self.frame[c].dtype, pd.CategoricalDtype))

    def levels(self, factor: str) -> list[str]:
        """Return the levels of a factor, the reference first."""
        return [str(level) for level in self.frame[factor].cat.categories]

    def standing_at(self, at: Mapping[str, object]) -> np.ndarray:
        """Return which samples have the given levels.

        Parameters
        ----------
        at
            Factor and level; numbers are passed over.
        """
        inside = np.ones(len(self.frame), dtype=bool)
        for variable, value in at.items():
            if variable in self.factors:
                inside &= (self.frame[variable] == as_level(value)).to_numpy()
        return inside

    def rows(self, **values: object) -> np.ndarray:
        """Return the design row of one condition; what is not named stands at its reference.

        Parameters
        ----------
        values
            Variable and level (or number).
        """
        row: dict[str, Any] = {}
        for variable in self.frame:
            column = self.frame[variable]
            if variable in self.factors:
                value = as_level(values.get(variable, self.levels(variable)[0]))
                row[variable] = pd.Categorical([value], categories=column.cat.categories)
            else:
                row[variable] = [float(values.get(variable, 0.0))]  # type: ignore[arg-type]
        made = self.spec.get_model_matrix(pd.DataFrame(row), na_action="ignore")
        return np.asarray(made, dtype=np.float64)[0]


def build_design(obs: pd.DataFrame, formula: str) -> Design:
    """Return the design of ``formula`` on ``obs``.

    Parameters
    ----------
    obs
        One row per sample. Text, categories and true/false are factors (levels that no row has
        are dropped, the first one is the reference), everything else is a number.
    formula
        For instance ``"~ patient + condition"`` or ``"~ anakinra * group + study"``.

    Raises
    ------
    InputError
        The formula cannot be read, names a column that is not there, or a column has missing
        values.
    EstimabilityError
        A factor has a single level.
    """
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        parsed = Formula(formula)
        needed = sorted(str(v) for v in parsed.required_variables)
    except (FormulaicError, AttributeError, SyntaxError) as error:
        msg = f"design {formula!r} is not a formula of the kind '~ a + b': {error}"
        raise InputError(msg) from error
    if "~" not in formula or "~" not in formula.lstrip()[:1]:
        msg = f"design {formula!r} must start with '~' and have no left side."
        raise InputError(msg)
    frame = pd.DataFrame(index=obs.index)
    for name in _in_order(needed, formula):
        if name not in obs.columns:
            near = get_close_matches(name, [str(c) for c in obs.columns], n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            have = list(obs.columns)
            msg = f"design {formula!r}: obs has no column {name!r}.{hint} It has {have}."
            raise InputError(msg)
        frame[name] = _as_variable(obs[name], formula)
    made = parsed.get_model_matrix(frame, na_action="raise")
    spec = made.model_spec
    terms = {
        str(term): tuple(range(where.start, where.stop)) for term, where in spec.term_slices.items()
    }
    return Design(
        formula=formula,
        frame=frame,
        matrix=np.asarray(made, dtype=np.float64),
        names=tuple(str(c) for c in made.columns),
        terms=terms,
        spec=spec,
    )


def _in_order(names: Sequence[str], formula: str) -> list[str]:
    return sorted(names, key=formula.find)


def as_level(value: object) -> str:
    """Return how a design spells a level.

    Parameters
    ----------
    value
        Text, a truth value or a number.
    """
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _as_variable(column: pd.Series, formula: str) -> pd.Series:
    missing = column.isna()
    if missing.any():
        some = ", ".join(map(str, column.index[missing][:5]))
        msg = (
            f"design {formula!r}: obs[{column.name!r}] is missing in {int(missing.sum())} "
            f"sample(s) ({some}); leave those samples out, or fill in what is known."
        )
        raise InputError(msg)
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = [str(v) for v in column.cat.remove_unused_categories().cat.categories]
    elif pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        levels = sorted({str(v) for v in column})
    else:
        values = column.astype(np.float64)
        if not np.isfinite(values).all():
            msg = f"design {formula!r}: obs[{column.name!r}] holds infinite values."
            raise InputError(msg)
        return values
    if len(levels) < _PAIR:
        msg = (
            f"design {formula!r}: {column.name!r} has the single level {levels[0]!r} in these "
            "samples, so its effect cannot be estimated; leave it out of the design."
        )
        raise EstimabilityError(msg)
    return pd.Series(
        pd.Categorical([str(v) for v in column], categories=levels),
        index=column.index,
        name=column.name,
    )
