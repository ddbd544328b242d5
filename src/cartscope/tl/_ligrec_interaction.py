from __future__ import annotations

from itertools import combinations, product
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from cartscope import _check, _rng
from cartscope._errors import InputError
from cartscope._schema import LIGREC_INTERACTION
from cartscope.tl._patient_groups import level_text, two_levels
from cartscope.tl._patient_test import adjust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cartscope.tl._ligrec_scores import LigandReceptorScores

TEST = "aligned ranks, residuals of the additive model permuted within arms"
TIE = 1e-9
MIN_PATIENTS = 2  # in each of the four cells: one would have no spread of its own


def ligand_receptor_interaction(
    scores: LigandReceptorScores,
    levels: Mapping[str, tuple[object, object]],
    *,
    contrast: tuple[object, object],
    arms: tuple[object, object],
    pairs: Sequence[tuple[str, str]],
    n_permutations: int = 10_000,
    random_state: int = 0,
    name: str = "",
) -> pd.DataFrame:
    """Ask whether scores differ between groups in one arm more than in another.

    What is left of the scores without the effects of group and arm is ranked, so that one extreme
    patient cannot carry the result. Scores ranked as they are would not do: where arms lie apart,
    each is ranked by itself, and the same difference between groups is more ranks in the larger arm
    than in the smaller. The interaction of group and arm is compared with its distribution when
    residuals of the additive model are permuted between the patients of an arm: in every way where
    these are at most ``n_permutations``, else in as many drawn ones. "Significant in one arm and
    not in the other" is no such test.

    Parameters
    ----------
    scores
        From :func:`ligand_receptor_scores`.
    levels
        Patient -> (level of the group, level of the arm); patients without are left out.
    contrast
        ``(group, reference)``, compared as text.
    arms
        ``(first, second)``, compared as text.
    pairs
        (ligand, receptor) pairs, chosen beforehand.
    n_permutations
        Most permutations.
    random_state
        Seed.
    name
        Fills the ``contrast`` column.

    Returns
    -------
    One row per pair, source and target: contrast, source, target, ligand, receptor, the number of
    patients in each of the four cells, change_first and change_second (difference of the mean
    scores in each arm), t, p_value, fdr (Benjamini-Hochberg over the table), family_size, min_p
    (the smallest p that these permutations can give), test (what was permuted how often), reason.

    Raises
    ------
    InputError
        If a level occurs nowhere or is compared with itself, or none of the pairs was scored.

    References
    ----------
    Freedman and Lane 1983, doi 10.1080/07350015.1983.10509354; aligned ranks: Wobbrock et al. 2011,
    doi 10.1145/1978942.1978963.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from cartscope.tl import LigandReceptorScores
    >>> ligand = np.array([9.0, 8, 7, 9, 1, 2, 1, 3, 2, 3, 1, 2, 2, 1, 3, 1])[:, None, None]
    >>> pairs = pd.DataFrame({"ligand": ["CXCL10"], "receptor": ["CXCR3"]})
    >>> names = tuple(f"p{i:02}" for i in range(16))
    >>> one = np.ones_like(ligand)
    >>> scores = LigandReceptorScores(names, ("m",), ("m",), ("m",), pairs, ligand, one, one, one,
    ...     one[:, :, 0], "product", 10)
    >>> levels = {p: ("high" if i % 8 < 4 else "low", i < 8) for i, p in enumerate(names)}
    >>> table = ligand_receptor_interaction(scores, levels, contrast=("high", "low"),
    ...     arms=(True, False), pairs=[("CXCL10", "CXCR3")], n_permutations=200)
    >>> table[["change_first", "change_second"]].values.tolist()
    [[6.5, 0.25]]
    """
    side, arm = _sides(levels, contrast, arms)
    rows = [i for i, patient in enumerate(scores.patients) if patient in side]
    in_group = np.array([side[scores.patients[i]] for i in rows], dtype=bool)
    in_first = np.array([arm[scores.patients[i]] for i in rows], dtype=bool)
    wanted = set(map(tuple, pairs))
    have = list(zip(scores.pairs["ligand"], scores.pairs["receptor"], strict=True))
    keep = [j for j, pair in enumerate(have) if pair in wanted]
    if not keep:
        msg = f"none of the pairs {sorted(wanted)[:3]} was scored; name pairs of the resource."
        raise InputError(msg)
    out = []
    for source in scores.senders:
        for target in scores.receivers:
            values = scores.between(source, target)[rows][:, keep]
            for j, column in zip(keep, values.T, strict=True):
                key = dict(zip(("ligand", "receptor"), have[j], strict=True))
                row = LIGREC_INTERACTION.blank(contrast=name, source=source, target=target, **key)
                rng = _rng.stream(random_state, "interaction", source, target, *have[j])
                row |= _interaction(
                    column, np.stack([in_group, in_first]), rng, n_permutations=n_permutations
                )
                out.append(row)
    return LIGREC_INTERACTION.check(adjust(pd.DataFrame(out)))


def _sides(
    levels: Mapping[str, tuple[object, object]],
    contrast: tuple[object, object],
    arms: tuple[object, object],
) -> tuple[dict[str, bool], dict[str, bool]]:
    texts = {str(p): (level_text(a), level_text(b)) for p, (a, b) in levels.items()}
    for i, (chosen, word) in enumerate(((contrast, "contrast"), (arms, "arms"))):
        for level in two_levels(chosen, name=word):
            _check.one_of(level, sorted({t[i] for t in texts.values()}), name=f"a level of {word}")
    group, reference = map(level_text, contrast)
    first, second = map(level_text, arms)
    used = {
        p: t for p, t in texts.items() if t[0] in {group, reference} and t[1] in {first, second}
    }
    return {p: t[0] == group for p, t in used.items()}, {p: t[1] == first for p, t in used.items()}


def _interaction(
    values: np.ndarray, sides: np.ndarray, rng: np.random.Generator, *, n_permutations: int
) -> dict[str, object]:
    there = np.isfinite(values)
    y, (group, first) = values[there], sides[:, there]
    cells = {
        "group_first": group & first,
        "reference_first": ~group & first,
        "group_second": group & ~first,
        "reference_second": ~group & ~first,
    }
    row: dict[str, object] = {f"n_{name}": int(cell.sum()) for name, cell in cells.items()}
    if min(int(cell.sum()) for cell in cells.values()) < MIN_PATIENTS:
        few = [name.replace("_", ", ") for name, c in cells.items() if c.sum() < MIN_PATIENTS]
        return {
            **row,
            "reason": f"too few cells: fewer than {MIN_PATIENTS} patients in {few[0]} arm",
        }
    for arm in ("first", "second"):
        row[f"change_{arm}"] = y[cells[f"group_{arm}"]].mean() - y[cells[f"reference_{arm}"]].mean()
    additive = np.stack([np.ones(y.size), group, first], axis=1).astype(float)
    left = y - _fitted(additive, y)
    most = np.abs(left).max()
    if most <= TIE * np.abs(y).max():
        return {**row, "t": 0.0, "p_value": 1.0, "min_p": 1.0, "test": TEST}
    ranks = rankdata(np.round(left / most, 9))  # equal scores of a cell stay equal
    fitted = _fitted(additive, ranks)
    order, whole = _orders(group, first, rng, n_permutations=n_permutations)
    drawn = fitted + (ranks - fitted)[order]
    signed = _t(np.vstack([ranks, drawn]), np.column_stack([additive, group & first]))
    t = np.abs(signed)
    beyond = _reach(t[1:], t[0])
    if whole:  # the patients as they are is one of the ways
        p, floor = beyond.mean(), _reach(t[1:], t[1:].max()).mean()
    else:
        p = (beyond.sum() + 1) / (len(order) + 1)
        floor = 1 / (len(order) + 1)
    told = f"{'all' if whole else 'drawn'}: {len(order):,}"
    return {**row, "t": signed[0], "p_value": p, "min_p": floor, "test": f"{TEST}, {told}"}


def _fitted(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    return design @ np.linalg.lstsq(design, y, rcond=None)[0]


def _reach(t: np.ndarray, limit: float) -> np.ndarray:
    """Whether each reaches the limit; t is huge, and so is its rounding, where nothing is left."""
    return t >= limit - TIE * (1 + limit)


def _orders(
    group: np.ndarray, first: np.ndarray, rng: np.random.Generator, *, n_permutations: int
) -> tuple[np.ndarray, bool]:
    """Return whose residual each patient gets, a row per permutation, and whether these are all.

    Within one side of an arm the order of residuals changes nothing, so all ways are the ways to
    deal the residuals of each arm out to its two sides.
    """
    arms = [np.flatnonzero(first), np.flatnonzero(~first)]
    ways = int(np.prod([comb(arm.size, int(group[arm].sum())) for arm in arms], dtype=float))
    if ways > n_permutations:
        order = np.tile(np.arange(group.size), (n_permutations, 1))
        for arm in arms:
            order[:, arm] = rng.permuted(order[:, arm], axis=1)
        return order, False
    order = np.empty((ways, group.size), dtype=np.int64)
    dealt = [[np.array(c) for c in combinations(arm, int(group[arm].sum()))] for arm in arms]
    for i, chosen in enumerate(product(*dealt)):
        for arm, picked in zip(arms, chosen, strict=True):
            order[i, arm[group[arm]]] = picked
            order[i, arm[~group[arm]]] = np.setdiff1d(arm, picked)
    return order, True


def _t(y: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Last coefficient over its standard error, for every row of y."""
    inverse = np.linalg.inv(design.T @ design)
    coefficients = y @ design @ inverse
    residual = ((y - coefficients @ design.T) ** 2).sum(axis=1) / (y.shape[1] - design.shape[1])
    return coefficients[:, -1] / np.sqrt(np.maximum(residual, 1e-12) * inverse[-1, -1])
