from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cartscope._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike


class LeaveOneOut(NamedTuple):
    """Result of :func:`leave_one_out`.

    ``patients`` (patients,) in order of appearance; ``full`` the statistic of all of them, a number
    or (features,); ``without`` (patients,) or (patients, features), the statistic without each;
    ``influence`` is full - without; ``sign_kept`` says whether no single patient turns the sign;
    ``most_influential`` is the patient of the largest absolute influence.
    """

    patients: np.ndarray
    full: Any
    without: np.ndarray
    influence: np.ndarray
    sign_kept: Any
    most_influential: Any


def leave_one_out(
    values: ArrayLike,
    groups: ArrayLike,
    statistic: Callable[[np.ndarray, np.ndarray], Any],
    *,
    patients: ArrayLike | None = None,
) -> LeaveOneOut:
    """Recompute a statistic without each patient in turn.

    Parameters
    ----------
    values
        (rows,) or (rows, features), one row a patient or, with ``patients``, several.
    groups
        (rows,) handed to the statistic: labels, or floats for a covariate.
    statistic
        ``statistic(values, groups)`` gives a number or (features,). It isn't asked where
        leaving the patient out empties a labeled group: that is NaN.
    patients
        (rows,) names; all rows of a patient leave together. Without it each row is a patient,
        named 0, 1, ...

    Returns
    -------
    patients, full, without, influence, sign_kept, most_influential. NaN entries count neither for
    nor against the sign.

    Raises
    ------
    InputError
        If lengths differ or there is but one patient.

    Examples
    --------
    >>> import numpy as np
    >>> from cartscope.stats import leave_one_out
    >>> def shift(v, g):
    ...     return v[g == "high"].mean() - v[g == "low"].mean()
    >>> groups = np.array(["high", "high", "low", "low"])
    >>> result = leave_one_out([9.0, 1.0, 2.0, 1.0], groups, shift)
    >>> result.full, result.without.tolist(), bool(result.sign_kept), int(result.most_influential)
    (3.5, [-0.5, 7.5, 4.0, 3.0], False, 0)
    """
    data, labels = np.asarray(values), np.asarray(groups)
    if data.ndim == 0 or labels.shape != data.shape[:1]:
        msg = f"groups has shape {labels.shape}, values {data.shape}; give one label per row."
        raise InputError(msg)
    names = np.arange(labels.size) if patients is None else np.asarray(patients)
    if names.shape != labels.shape:
        msg = f"patients has shape {names.shape}, groups {labels.shape}; give one name per row."
        raise InputError(msg)
    seen = np.array(list(dict.fromkeys(names.tolist())), dtype=names.dtype)
    if seen.size < 2:  # noqa: PLR2004
        msg = f"there is {seen.size} patient; leaving one out needs two or more."
        raise InputError(msg)
    full = np.asarray(statistic(data, labels), dtype=np.float64)
    # every value of a covariate may be a patient's own, so only labels can run empty
    n_groups = 0 if labels.dtype.kind == "f" else len(set(labels.tolist()))
    without = np.full((seen.size, *full.shape), np.nan)
    for i, name in enumerate(seen):
        keep = names != name
        if not n_groups or len(set(labels[keep].tolist())) == n_groups:
            without[i] = statistic(data[keep], labels[keep])
    influence = full - without
    sign_kept = (np.isnan(without) | (np.sign(without) == np.sign(full))).all(axis=0)
    weight = np.where(np.isnan(influence), -1.0, np.abs(influence))
    most = seen[weight.argmax(axis=0)]
    if full.ndim == 0:
        return LeaveOneOut(seen, float(full), without, influence, bool(sign_kept), most)
    return LeaveOneOut(seen, full, without, influence, sign_kept, most)
