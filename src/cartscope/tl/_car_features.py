"""Which CAR each cell can have, and which of these the data can say anything about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cartscope._errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.tl._car_rule import CarRule

UNSEEN = "seen in no cell"  # of a CAR that the reference has; said in every reason of this kind


@dataclass(frozen=True)
class OwnCar:
    """What the data hold of the CAR that each cell can have."""

    counts: np.ndarray  # cells; UMI of the cell's own CAR
    in_reference: np.ndarray  # cells; whether any of its features is among the genes
    seen: np.ndarray  # cells; whether any of these has a count in any cell of the data
    reasons: dict[str, str]  # samples whose cells cannot be called, and why


def car_columns(names: pd.Index, features: Sequence[str]) -> dict[str, int]:
    """Return the column of each CAR feature that is there, by its name in ``names``.

    Parameters
    ----------
    names
        ``adata.var_names``.
    features
        Names looked for, in any case.
    """
    wanted = {feature.casefold() for feature in features}
    return {name: i for i, name in enumerate(names) if str(name).casefold() in wanted}


def all_features(features: Sequence[str] | Mapping[str, Sequence[str]]) -> list[str]:
    """Return every name once, in order.

    Parameters
    ----------
    features
        Names, or names by product.
    """
    if isinstance(features, Mapping):
        names = [name for group in features.values() for name in group]
    else:
        names = [features] if isinstance(features, str) else list(features)
    return list(dict.fromkeys(names))


def own_car(
    table: np.ndarray,
    obs: pd.DataFrame,
    features: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    found: Sequence[str],
    how: CarRule,
) -> OwnCar:
    """Sort out which features each cell can have, and what is known of them.

    Parameters
    ----------
    table
        Cells x features found, counts.
    obs
        The cells.
    features
        Names, or names by the value of ``how.product_key``.
    found
        Names of the columns of ``table``.
    how
        The rule's settings.
    """
    mine = _mine(obs, features, found=found, how=how)
    anywhere = table.any(axis=0) if len(table) else np.zeros(len(found), dtype=bool)
    seen = (mine & anywhere).any(axis=1)
    samples = obs[how.sample_key].astype(str).to_numpy()
    reasons = {}
    for sample in sorted(set(samples[~seen]) - set(samples[seen])):
        held = [
            name for name, has in zip(found, mine[samples == sample].T, strict=True) if has.any()
        ]
        asked = _asked(obs, sample, features=features, how=how)
        if held:
            reasons[sample] = (
                f"{' '.join(held)} is among the genes but {UNSEEN} of the data: no CAR T cell, or "
                "a transcript that the reference or the library misses"
            )
        elif asked:
            reasons[sample] = f"none of its CAR features {asked} is among the genes"
        else:
            reasons[sample] = (
                f"no CAR feature is named for its {how.product_key} "
                f"{_products(obs, sample, how=how)}; features has {list(features)}"
            )
    return OwnCar(
        counts=(table * mine).sum(axis=1),
        in_reference=mine.any(axis=1),
        seen=seen,
        reasons=reasons,
    )


def _mine(obs: pd.DataFrame, features: Any, *, found: Sequence[str], how: CarRule) -> np.ndarray:
    """Return cells x features found: whether the cell can have it."""
    mine = np.ones((len(obs), len(found)), dtype=bool)
    if not isinstance(features, Mapping) or how.product_key is None:
        return mine
    if how.product_key not in obs:
        msg = (
            f"settings.product_key is {how.product_key!r}, which is not in adata.obs; "
            f"it has {list(obs.columns)}."
        )
        raise InputError(msg)
    product = obs[how.product_key].astype(object)
    # a patient whose product nobody wrote down may have had any of them
    unknown = (product.isna() | (product.astype(str) == "")).to_numpy()
    for j, name in enumerate(found):
        holds = [
            value
            for value, group in features.items()
            if name.casefold() in {feature.casefold() for feature in group}
        ]
        mine[:, j] = product.isin(holds).to_numpy() | unknown
    return mine


def _asked(obs: pd.DataFrame, sample: str, *, features: Any, how: CarRule) -> list[str]:
    if not isinstance(features, Mapping) or how.product_key is None:
        return all_features(features)
    products = _products(obs, sample, how=how)
    if not products:  # nobody wrote it down: any of them
        return all_features(features)
    return all_features({key: names for key, names in features.items() if key in products})


def _products(obs: pd.DataFrame, sample: str, *, how: CarRule) -> list[object]:
    here = obs.loc[(obs[how.sample_key].astype(str) == sample).to_numpy(), how.product_key]
    return [one for one in here.dropna().astype(object).unique() if one != ""]
