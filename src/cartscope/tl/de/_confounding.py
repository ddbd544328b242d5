"""What else could explain a contrast: further terms tried on top of the design."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope.tl.de._rank_deficiency import reduce_columns

if TYPE_CHECKING:
    from cartscope.tl.de._design import Design

MOST_LEVELS = 6  # a factor with more is a blocking factor, whose cells say nothing
_NOTICED = 1.5  # times the variance, from which a further variable counts as confounded


def confounding_terms(
    design: Design, vector: np.ndarray, further: pd.DataFrame
) -> list[tuple[str, str, str]]:
    """Return terms that, added to the design one at a time, take the contrast away or blur it.

    Parameters
    ----------
    design
        The design.
    vector
        The contrast over its columns.
    further
        Columns that may confound.

    Returns
    -------
    Kind ("not separable" or "blurred by"), name and note of each.
    """
    frame = pd.concat(
        [design.frame, further.drop(columns=list(design.frame), errors="ignore")], axis=1
    )
    blocking = {f for f in design.factors if len(design.levels(f)) > MOST_LEVELS}
    variables = [c for c in frame if c not in blocking]
    trials = [(c,) for c in variables if c not in design.frame]
    trials += [
        pair
        for pair in combinations(variables, 2)
        if f"{pair[0]}:{pair[1]}" not in design.terms and f"{pair[1]}:{pair[0]}" not in design.terms
    ]
    rows = []
    for trial in trials:
        known = frame[list(trial)].notna().all(axis=1).to_numpy()
        left_out = int((~known).sum())
        x = design.matrix[known]
        before = _variance(x, vector)
        if before is None:
            continue
        name = " x ".join(trial)
        missing = f"; {left_out} sample(s) without a value left out" if left_out else ""
        columns = _term_columns(frame.loc[known], trial)
        after = _variance(
            np.column_stack([x, columns]), np.append(vector, [0.0] * columns.shape[1])
        )
        if after is None:
            note = f"added to the design, it takes the contrast away{missing}"
            rows.append(("not separable", name, note))
        elif after > _NOTICED * before:
            note = (
                f"added to the design, it multiplies the variance by {after / before:.1f}{missing}"
            )
            rows.append(("blurred by", name, note))
    return rows


def _term_columns(frame: pd.DataFrame, trial: tuple[str, ...]) -> np.ndarray:
    """Dummy columns of a term with the main effects it needs, without an intercept."""
    single = []
    for variable in trial:
        column = frame[variable]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            single.append(column.to_numpy(dtype=np.float64)[:, None])
        else:
            dummies = pd.get_dummies(column.astype(str), dtype=np.float64)
            single.append(dummies.to_numpy()[:, 1:])
    if len(single) == 1:
        return single[0]
    product = (single[0][:, :, None] * single[1][:, None, :]).reshape(len(frame), -1)
    return np.column_stack([*single, product])


def _variance(matrix: np.ndarray, vector: np.ndarray) -> float | None:
    """Variance of a contrast in units of the residual variance; None if it is not estimable."""
    reduction = reduce_columns(matrix)
    reduced = reduction.contrast(vector)
    if reduced is None:
        return None
    kept = matrix[:, reduction.kept]
    return float(reduced @ np.linalg.solve(kept.T @ kept, reduced))
