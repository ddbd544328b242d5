"""How many sound cells each library of a simulated study gets."""

from __future__ import annotations

import numpy as np

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.simulate._deal import OTHERS, day7_needs, fill
from cartscope.simulate._design import COMPARATOR, NEW, Library, libraries

# cells after quality control, as published: (study, product or day 7)
PAPER = {
    (NEW, True): 28_132,
    (NEW, False): 97_254,
    (COMPARATOR, True): 20_831,
    (COMPARATOR, False): 59_656,
}  # fmt: skip
FEWEST = 1000
PAPER_TOTAL = sum(PAPER.values())
_SORTED_NEED = 60
_PRODUCT_NEED = 105
_UNUSED = 60  # a library that the study does not use, at any size


def library_sizes(cells: int, *, random_state: int, failed_library: bool) -> dict[str, int]:
    """Return the number of sound cells of every library by sample id.

    Parameters
    ----------
    cells
        Sound cells of the whole study. Doublets and damaged droplets come on top.
    random_state
        The run's seed.
    failed_library
        Whether one library failed.
    """
    if cells < FEWEST:
        msg = f"cells: {cells} is fewer than the {FEWEST:,} that 74 libraries share; ask for more."
        raise InputError(msg)
    every = libraries(failed_library=failed_library)
    used = [lib for lib in every if lib.timepoint != k.timepoints.baseline]
    weight = np.array([0.5 if lib.sorted else 1.0 for lib in used])
    weight *= [np.exp(stream(random_state, "size", lib.sample_id).normal(0, 0.15)) for lib in used]
    natural = np.zeros(len(used))
    for (study, product), published in PAPER.items():
        mine = [lib.patient.study == study and lib.product == product for lib in used]
        natural[mine] = published / PAPER_TOTAL * cells * weight[mine] / weight[mine].sum()
    need = np.array([_library_need(lib, random_state) for lib in used])
    sizes = fill(natural, need, cells)
    out = {lib.sample_id: int(n) for lib, n in zip(used, sizes, strict=True)}
    return {lib.sample_id: out.get(lib.sample_id, _UNUSED) for lib in every}


def _library_need(lib: Library, random_state: int) -> float:
    if lib.product:
        return _PRODUCT_NEED
    if lib.sorted:
        return _SORTED_NEED
    return 1.03 * sum(day7_needs(lib, random_state).values()) / (1 - sum(OTHERS.values()))
