"""Formula to design matrix, and contrast to numeric vector, with names a reader knows."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from cartscope._errors import EstimabilityError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRIPLE = 3  # factor, level, reference
_PAIR = 2
Contrast: TypeAlias = "tuple[str, object, object] | list[object] | str | np.ndarray"


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
                value = _as_level(values.get(variable, self.levels(variable)[0]))
                row[variable] = pd.Categorical([value], categories=column.cat.categories)
            else:
                row[variable] = [float(values.get(variable, 0.0))]  # type: ignore[arg-type]
        made = self.spec.get_model_matrix(pd.DataFrame(row), na_action="ignore")
        return np.asarray(made, dtype=np.float64)[0]


@dataclass(frozen=True)
class ResolvedContrast:
    """A contrast as a vector over the design's columns, with the plain name of what it compares."""

    vector: np.ndarray
    name: str
    factor: str = ""
    level: str = ""
    reference: str = ""


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


def resolve_contrast(design: Design, contrast: Contrast) -> ResolvedContrast:
    """Return the vector of a contrast.

    Parameters
    ----------
    design
        From :func:`build_design`.
    contrast
        ``(factor, level, reference)``: the difference with every other variable at its reference;
        a coefficient's or a one-column term's name, ``"anakinra:group"`` say; or a vector over the
        design's columns.

    Raises
    ------
    InputError
        It names something that the design does not have.
    """
    if isinstance(contrast, str):
        return _from_name(design, contrast)
    triple = isinstance(contrast, (tuple, list)) and len(contrast) == _TRIPLE
    if triple and isinstance(contrast[0], str):
        factor, level, reference = contrast
        return _from_levels(design, factor, (level, reference))
    try:
        vector = np.asarray(contrast, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = (
            f"contrast {contrast!r} must be (factor, level, reference), a coefficient's name "
            f"or {len(design.names)} numbers."
        )
        raise InputError(msg) from error
    if vector.shape != (len(design.names),) or not np.isfinite(vector).all():
        msg = (
            f"contrast has shape {vector.shape}, but the design has {len(design.names)} "
            f"coefficients: {list(design.names)}; give one finite number for each."
        )
        raise InputError(msg)
    if not vector.any():
        msg = "contrast is zero everywhere, so it compares nothing; give at least one weight."
        raise InputError(msg)
    return ResolvedContrast(vector, _vector_name(design, vector))


def plain_name(column: str) -> str:
    """Return a coefficient's name as a reader would write it.

    Parameters
    ----------
    column
        Name of a design column.

    Examples
    --------
    >>> plain_name("anakinra[T.True]:group[T.high]")
    'anakinra=True x group=high'
    """
    return " x ".join(p.replace("[T.", "=").replace("]", "") for p in column.split(":"))


def _in_order(names: Sequence[str], formula: str) -> list[str]:
    return sorted(names, key=formula.find)


def _as_level(value: object) -> str:
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


def _from_name(design: Design, name: str) -> ResolvedContrast:
    if name in design.names:
        column = design.names.index(name)
    elif len(design.terms.get(name, ())) == 1:
        column = design.terms[name][0]
    else:
        plain = {plain_name(c): i for i, c in enumerate(design.names)}
        if name not in plain:
            several = design.terms.get(name)
            why = (
                f"stands for {len(several)} coefficients: {[design.names[i] for i in several]}"
                if several
                else "is no coefficient of the design"
            )
            msg = f"contrast {name!r} {why}; {design.formula!r} has {list(design.names)}."
            raise InputError(msg)
        column = plain[name]
    vector = np.zeros(len(design.names))
    vector[column] = 1.0
    return ResolvedContrast(vector, plain_name(design.names[column]))


def _from_levels(design: Design, factor: str, pair: tuple[object, object]) -> ResolvedContrast:
    if factor not in design.frame:
        msg = f"contrast names {factor!r}, which is not in the design {design.formula!r}."
        raise InputError(msg)
    if factor not in design.factors:
        try:
            level, reference = (float(v) for v in pair)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            msg = (
                f"contrast asks for {factor} = {pair[0]!r} against {pair[1]!r}, but "
                f"obs[{factor!r}] holds numbers; give numbers, or make the column text."
            )
            raise InputError(msg) from error
    else:
        for value in pair:
            if _as_level(value) not in design.levels(factor):
                msg = (
                    f"contrast names {factor} = {value!r}, but these samples have "
                    f"{design.levels(factor)}."
                )
                raise InputError(msg)
        level, reference = (_as_level(v) for v in pair)  # type: ignore[assignment]
    if level == reference:
        msg = f"contrast compares {factor} = {level!r} with itself; name two levels."
        raise InputError(msg)
    vector = design.rows(**{factor: level}) - design.rows(**{factor: reference})
    first, second = _as_level(pair[0]), _as_level(pair[1])
    return ResolvedContrast(vector, f"{factor}: {first} vs {second}", factor, first, second)


def _vector_name(design: Design, vector: np.ndarray) -> str:
    parts = [
        f"{'-' if w < 0 else '+'} {'' if abs(w) == 1 else f'{abs(w):g} '}{plain_name(n)}"
        for w, n in zip(vector, design.names, strict=True)
        if w != 0
    ]
    return " ".join(parts).removeprefix("+ ")
