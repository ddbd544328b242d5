"""What a CAR call rests on beside the counts, as one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cartscope import _keys as k
from cartscope._errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class CarRule:
    """What a CAR call rests on, beside the counts."""

    sample_key: str = k.obs.sample
    product_key: str | None = None  # column whose values say which features a cell can have
    sorted_key: str = k.obs.sorted  # read by the published rule, and for `sort_purity`
    sort_purity: float | None = None  # CAR T cells to expect in sorted samples; None: blind
    sort_purity_cells: float = 100.0  # T cells per sample that this expectation counts for
    none_where: Mapping[str, Sequence[Any]] | None = None  # samples from before the infusion
    cell_type_key: str = k.obs.cell_type
    controls: tuple[str, ...] = ("CD14 monocyte", "CD16 monocyte", "NK", "B", "pDC", "cDC")
    use_rep: str | None = k.obsm.pca
    n_comps: int = 30
    n_axes: int = 10  # axes among T cells that the prior may depend on
    fit_key: str | None = k.obs.timepoint  # cells of different values are fitted apart
    positive_above: float = 0.55  # between the two: unknown
    negative_below: float = 0.5


def settings_of(settings: CarRule | Mapping[str, Any] | None) -> CarRule:
    """Return the rule with the given fields replaced.

    Parameters
    ----------
    settings
        A rule, or fields that differ from the defaults.
    """
    try:
        how = settings if isinstance(settings, CarRule) else CarRule(**dict(settings or {}))
    except TypeError as error:
        msg = f"settings: {error}; fields are {sorted(CarRule.__dataclass_fields__)}."
        raise InputError(msg) from error
    if how.sort_purity is not None and not 0 < how.sort_purity < 1:
        msg = f"settings.sort_purity is {how.sort_purity}, but must be above 0 and below 1."
        raise InputError(msg)
    return how
