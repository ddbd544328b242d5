"""Parts of the data that are fitted apart but whose ambient floors say something of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cartscope.tl._car_model import CarFit, fit_car

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_COUNTS: Final = 5.0  # CAR counts of control cells that the other parts may stand for
LEAST_COUNTS: Final = 0.5  # no count in control cells is not a floor of zero


def fit_parts(parts: Sequence[Mapping[str, Any]]) -> list[CarFit]:
    """Fit every part, each with an ambient floor shrunk to that of the others.

    An infusion product holds hardly a cell that cannot carry the CAR: one count in one of them
    would set the floor of all products, and make deep CAR T cells with one count look ambient.
    The other parts' control cells enter as if they had shown a few counts, so that they decide
    where a part has next to none of its own, and say nothing where it has many.

    Parameters
    ----------
    parts
        Arguments of :func:`fit_car` by name, ``elsewhere`` left out. Parts without candidates,
        as blood before the infusion, neither give nor take a floor.
    """
    fits = [fit_car(**part) for part in parts]
    with_car = [i for i, part in enumerate(parts) if part["candidate"].any()]
    if len(with_car) < 2:  # noqa: PLR2004
        return fits
    floors = {i: fits[i].floor for i in with_car}
    for i in with_car:
        counts = LEAST_COUNTS + sum(floors[j][0] for j in with_car if j != i)
        depth = sum(floors[j][1] for j in with_car if j != i)
        share = min(1.0, MOST_COUNTS / counts)
        if depth > 0:
            fits[i] = fit_car(**parts[i], elsewhere=(share * counts, share * depth))
    return fits
