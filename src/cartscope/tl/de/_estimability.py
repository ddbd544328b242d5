"""What a design can estimate, on whom it rests, and what it cannot be told apart from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope._errors import EstimabilityError, InputError
from cartscope._schema import ESTIMABILITY
from cartscope.tl.de._confounding import MOST_LEVELS, confounding_terms
from cartscope.tl.de._contrast import plain_name, resolve_contrast
from cartscope.tl.de._design import build_design
from cartscope.tl.de._rank_deficiency import reduce_columns, sample_weights
from cartscope.tl.de._report import EstimabilityReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from cartscope.tl.de._contrast import Contrast, ResolvedContrast
    from cartscope.tl.de._design import Design
    from cartscope.tl.de._rank_deficiency import Reduction

_FEWEST = 2


def estimability(
    data: AnnData | pd.DataFrame,
    *,
    design: str,
    contrast: Contrast | None = None,
    patient: str | None = None,
    confounders: Sequence[str] = (),
) -> EstimabilityReport:
    """Say what a design can estimate before anything is fitted.

    Parameters
    ----------
    data
        Samples in rows, or their ``obs``; left as it is.
    design
        Formula over columns of ``obs``.
    contrast
        As in :func:`differential_expression`; None looks at the design alone.
    patient
        Column of ``obs`` that names the patient; by default every row is one.
    confounders
        Further columns of ``obs`` that may explain the contrast, ``"study"`` or
        ``"tocilizumab_before_sample"`` say. Their main effects and the interactions of everything
        with everything are tried one at a time on top of the design; rows where a confounder is
        missing are left out of its trial.

    Returns
    -------
    The report. ``report.estimable`` is the verdict, ``report.message`` the text, ``report.table``
    the rows (schema ``ESTIMABILITY``), ``report.weights`` the weight of each sample.

    Raises
    ------
    InputError
        The formula or the contrast names something that is not there, or a value is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from cartscope.tl import estimability
    >>> obs = pd.DataFrame({"study": list("nnnncccc"), "drug": list("yynnnnnn"),
    ...                     "grade": list("hlllhlhl")})
    >>> report = estimability(obs, design="~ drug * grade + study", contrast="drug:grade")
    >>> report.estimable, report.not_separable
    (True, ['grade x study'])
    """
    obs = data if isinstance(data, pd.DataFrame) else data.obs
    for column in (*confounders, *([patient] if patient else [])):
        if column not in obs:
            msg = f"obs has no column {column!r}; it has {list(obs.columns)}."
            raise InputError(msg)
    try:
        made = build_design(obs, design)
    except EstimabilityError as error:
        table = ESTIMABILITY.empty()
        named = "" if contrast is None else str(contrast)
        return EstimabilityReport(
            design=design,
            contrast=named,
            estimable=False,
            reason=str(error),
            table=table,
            weights=pd.DataFrame(),
        )
    people = obs[patient] if patient else pd.Series(obs.index, index=obs.index)
    return examine(made, contrast, people=people.astype(str), further=obs[list(confounders)])


def examine(
    design: Design,
    contrast: Contrast | None,
    *,
    people: pd.Series,
    further: pd.DataFrame,
) -> EstimabilityReport:
    """Return the report of a design that is already built.

    Parameters
    ----------
    design
        The design.
    contrast
        As in :func:`estimability`.
    people
        The patient of each sample.
    further
        Columns that may confound.
    """
    reduction = reduce_columns(design.matrix)
    resolved = None if contrast is None else resolve_contrast(design, contrast)
    reason = refusal(design, resolved, reduction)
    rows = _cells(design, people)
    rows += _aliases(design, reduction)
    kept = design.matrix[:, reduction.kept]
    wanted = {n: np.eye(len(design.names))[i] for i, n in enumerate(design.names)}
    if resolved is not None:
        wanted["contrast"] = resolved.vector
    weights = {}
    for name, vector in wanted.items():
        reduced = reduction.contrast(vector)
        if reduced is not None:
            weights[name] = sample_weights(kept, reduced)
            kind = "contrast" if name == "contrast" else "coefficient"
            plain = resolved.name if resolved and kind == "contrast" else plain_name(name)
            rows.append(_rests_on(kind, plain, weights=weights[name], people=people))
    if resolved is not None and reduction.contrast(resolved.vector) is not None:
        found = confounding_terms(design, resolved.vector, further)
        rows += [_row(kind, name, note=note) for kind, name, note in found]
    table = pd.DataFrame(rows, columns=list(ESTIMABILITY.columns)[2:])
    table.insert(0, "design", design.formula)
    table.insert(1, "contrast", resolved.name if resolved else "")
    return EstimabilityReport(
        design=design.formula,
        contrast=resolved.name if resolved else "",
        estimable=not reason,
        reason=reason,
        table=ESTIMABILITY.check(table),
        weights=pd.DataFrame(weights, index=design.frame.index),
    )


def refusal(design: Design, contrast: ResolvedContrast | None, reduction: Reduction) -> str:
    """Return why a fit or a contrast is refused, or nothing.

    Parameters
    ----------
    design
        The design.
    contrast
        The contrast, if there is one already.
    reduction
        The design's independent columns.
    """
    samples, rank = design.matrix.shape[0], reduction.kept.size
    if samples <= rank:
        return (
            f"{samples} samples for {rank} coefficients leave nothing to estimate the variation "
            "between patients from; use a smaller design"
        )
    if contrast is None:
        return ""
    if contrast.factor in design.factors:
        for level in (contrast.level, contrast.reference):
            inside = design.standing_at(contrast.at)
            n = int((design.frame.loc[inside, contrast.factor] == level).sum())
            if n < _FEWEST:
                return (
                    f"{contrast.factor} = {level} has {n} sample(s), and a group needs at least "
                    f"{_FEWEST}"
                )
    if reduction.contrast(contrast.vector) is None:
        names = _aliased(design, reduction)
        guilty = [plain_name(n) for n, _ in names]
        return (
            f"{contrast.name!r} depends on {guilty}, which the samples at hand cannot tell apart "
            "from other terms of the design"
        )
    return ""


def _cells(design: Design, people: pd.Series) -> list[dict[str, object]]:
    """Patients in every cell of the factors, empty cells included."""
    factors = [f for f in design.factors if len(design.levels(f)) <= MOST_LEVELS]
    if not factors:
        return []
    frame = design.frame[factors].assign(patient=people)
    counted = frame.groupby(factors, observed=False)["patient"].nunique()
    rows = []
    for key, n in counted.items():
        levels = key if isinstance(key, tuple) else (key,)
        name = " x ".join(f"{f}={v}" for f, v in zip(factors, levels, strict=True))
        inside = (frame[factors] == list(levels)).all(axis=1)
        who = ", ".join(sorted(set(frame.loc[inside, "patient"])))
        rows.append(_row("cell", name, n=int(n), patients=who, note="" if n else "empty"))
    return rows


def _aliased(design: Design, reduction: Reduction) -> list[tuple[str, list[str]]]:
    """Columns that others make up, each with those others."""
    out = []
    for j, name in enumerate(design.names):
        if j not in reduction.kept:
            parts = np.flatnonzero(reduction.expand[:, j])
            out.append((name, [design.names[reduction.kept[i]] for i in parts]))
    return out


def _aliases(design: Design, reduction: Reduction) -> list[dict[str, object]]:
    rows = []
    for name, others in _aliased(design, reduction):
        if others:
            note = "is a combination of " + ", ".join(plain_name(o) for o in others)
        else:
            note = "is 0 in every sample"
        rows.append(_row("aliased", plain_name(name), note=note))
    return rows


def _rests_on(kind: str, name: str, *, weights: np.ndarray, people: pd.Series) -> dict[str, object]:
    used = weights != 0
    who = sorted(set(people[used]))
    idle = sorted(set(people[~used]) - set(who))
    note = f"weight 0: {', '.join(idle)}" if idle and kind == "contrast" else ""
    return _row(kind, name, n=len(who), patients=", ".join(who), note=note)


def _row(kind: str, name: str, *, note: str, n: int = -1, patients: str = "") -> dict[str, object]:
    return {"kind": kind, "name": name, "n_patients": n, "patients": patients, "note": note}
