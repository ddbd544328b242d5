"""Cells of a null cohort: who they are and whether their CAR was found, without their counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cartscope import _keys as k
from cartscope._rng import stream
from cartscope.simulate._deal import deal

if TYPE_CHECKING:
    from cartscope.simulate._design import Library

DEPTH = 0.4  # spread of the log depth of cells: shallow CAR T cells are missed more often
CYCLING_DEPTH = 1.5


@dataclass(frozen=True)
class Called:
    """A library's cells, one entry each; ``chance`` is that a CAR T cell like this one is found."""

    cell_type: np.ndarray
    t_subset: np.ndarray
    t_lineage: np.ndarray
    car: np.ndarray
    cycling: np.ndarray
    chance: np.ndarray
    found: np.ndarray


def called_cells(
    lib: Library, size: int, *, seed: int, detection: float, strength: float = 0.0
) -> Called:
    """Return a library's cells as :func:`cartscope.simulate.simulate` deals them.

    Shares and cycling differ between patients more than cells of one pot do, and expansion differs
    by CRS grade. Labels are right but for CAR T cells whose transcript was not found, the shallow
    ones more often.
    """
    dealt = deal(lib, size, strength=strength, random_state=seed)
    numbers = [n for _, n in dealt]

    def each(values: list[object]) -> np.ndarray:
        return np.repeat(np.array(values), numbers)

    rng = stream(seed, "called", lib.sample_id)
    cycling = each([s.phase != "G1" for s, _ in dealt])
    depth = np.exp(rng.normal(0, DEPTH, len(cycling)))
    chance = 1 - (1 - detection) ** np.where(cycling, CYCLING_DEPTH * depth, depth)
    car = each([s.car for s, _ in dealt])
    return Called(
        cell_type=each([s.cell_type for s, _ in dealt]),
        t_subset=each([s.t_subset or k.UNASSIGNED for s, _ in dealt]),
        t_lineage=each([s.t_lineage or k.UNASSIGNED for s, _ in dealt]),
        car=car,
        cycling=cycling,
        chance=chance,
        found=car & (rng.random(len(car)) < chance),
    )
