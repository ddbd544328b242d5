"""Contrast to numeric vector, with names a reader knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cartscope._errors import InputError
from cartscope.tl.de._design import as_level

if TYPE_CHECKING:
    from cartscope.tl.de._design import Design

_TRIPLE = 3  # factor, level, reference
Contrast: TypeAlias = (
    "tuple[str, object, object] | tuple[str, object, object, Mapping[str, object]]"
    " | list[object] | str | np.ndarray"
)


@dataclass(frozen=True)
class ResolvedContrast:
    """A contrast as a vector over the design's columns, with the plain name of what it compares."""

    vector: np.ndarray
    name: str
    factor: str = ""
    level: str = ""
    reference: str = ""
    at: dict[str, object] = field(default_factory=dict)


def resolve_contrast(design: Design, contrast: Contrast) -> ResolvedContrast:
    """Return the vector of a contrast.

    Parameters
    ----------
    design
        From :func:`build_design`.
    contrast
        ``(factor, level, reference)``: the difference with every other variable at its reference;
        ``(factor, level, reference, {variable: level})`` with some of them elsewhere, the effect
        within one arm say; a coefficient's or a one-column term's name, ``"anakinra:group"`` say;
        or a vector over the design's columns.

    Raises
    ------
    InputError
        It names something that the design does not have.
    """
    if isinstance(contrast, str):
        return _from_name(design, contrast)
    levels = isinstance(contrast, (tuple, list)) and len(contrast) in {_TRIPLE, _TRIPLE + 1}
    if levels and isinstance(contrast[0], str):
        factor, level, reference, *at = contrast
        return _from_levels(design, factor, (level, reference), at=at[0] if at else {})
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


def _from_levels(
    design: Design,
    factor: str,
    pair: tuple[object, object],
    *,
    at: Mapping[str, object],
) -> ResolvedContrast:
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
            if as_level(value) not in design.levels(factor):
                msg = (
                    f"contrast names {factor} = {value!r}, but these samples have "
                    f"{design.levels(factor)}."
                )
                raise InputError(msg)
        level, reference = (as_level(v) for v in pair)  # type: ignore[assignment]
    if level == reference:
        msg = f"contrast compares {factor} = {level!r} with itself; name two levels."
        raise InputError(msg)
    place = _place(design, at)
    if factor in place:
        where = place[factor]
        msg = f"contrast compares {factor} and stands at {factor} = {where!r}; leave that out."
        raise InputError(msg)
    vector = design.rows(**place, **{factor: level}) - design.rows(**place, **{factor: reference})
    first, second = as_level(pair[0]), as_level(pair[1])
    within = "".join(f" within {v}={value}" for v, value in place.items())
    name = f"{factor}: {first} vs {second}{within}"
    return ResolvedContrast(vector, name, factor, first, second, place)


def _place(design: Design, at: Mapping[str, object]) -> dict[str, object]:
    """Return where the other variables stand, as the design spells their levels."""
    if not isinstance(at, Mapping):
        msg = f"contrast stands at {at!r}; its fourth entry is {{variable: level}}."
        raise InputError(msg)
    out: dict[str, object] = {}
    for variable, value in at.items():
        if variable not in design.frame:
            have = list(design.frame)
            msg = f"contrast stands at {variable} = {value!r}, but {design.formula!r} has {have}."
            raise InputError(msg)
        if variable not in design.factors:
            try:
                out[variable] = float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError) as error:
                msg = f"contrast stands at {variable} = {value!r}, but that column holds numbers."
                raise InputError(msg) from error
            continue
        if as_level(value) not in design.levels(variable):
            msg = (
                f"contrast stands at {variable} = {value!r}, but these samples have "
                f"{design.levels(variable)}."
            )
            raise InputError(msg)
        out[variable] = as_level(value)
    return out


def _vector_name(design: Design, vector: np.ndarray) -> str:
    parts = [
        f"{'-' if w < 0 else '+'} {'' if abs(w) == 1 else f'{abs(w):g} '}{plain_name(n)}"
        for w, n in zip(vector, design.names, strict=True)
        if w != 0
    ]
    return " ".join(parts).removeprefix("+ ")
