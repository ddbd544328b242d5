"""One library: its droplets, the truth about them, and their counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from cartscope._rng import stream
from cartscope.simulate import _markers as m
from cartscope.simulate._deal import deal
from cartscope.simulate._droplets import damage, draw_droplets, draw_molecules, truth_table
from cartscope.simulate._effects import State, gene_effects
from cartscope.simulate._kernel import alias_table, alias_tables, draw
from cartscope.simulate._profiles import CAR_FEATURES, cycling_factor, reference, states
from cartscope.simulate._programs import HEME, PROGRAMS, program_genes
from cartscope.simulate._programs import activity as draw_activity

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.simulate._design import Library

CAR_PER_MILLION = 530.0  # about 78% of CAR T cells of a sorted library show a molecule
_DIRECT_PER_MILLION = 90.0
_FEMALE_GENES = ("XIST", "TSIX")
_MALE_GENES = ("RPS4Y1", "DDX3Y", "EIF1AY", "UTY", "KDM5D", "USP9Y", "ZFY")


@dataclass(frozen=True)
class Simulated:
    """A library's counts (droplets x genes) and the truth about every droplet."""

    library: Library
    counts: sp.csr_matrix
    truth: pd.DataFrame
    ambient_share: float


@dataclass(frozen=True)
class _Direct:
    position: np.ndarray
    dispersion: np.ndarray
    program: np.ndarray


@lru_cache(maxsize=1)
def _direct() -> _Direct:
    ref = reference()
    program = np.full(len(ref.symbol), -1, np.int32)
    for number, name in enumerate(PROGRAMS):
        program[program_genes()[name]] = number
    highest = np.max(list(states().values()), axis=0)
    chosen = (highest > _DIRECT_PER_MILLION) | (program >= 0)
    chosen[-len(CAR_FEATURES) :] = True
    at = np.flatnonzero(chosen)
    dispersion = ref.dispersion.copy()
    dispersion[ref.at(HEME)] = 0.1  # how red a cell is comes from its activity
    return _Direct(at.astype(np.int32), dispersion[at], program[at])


def _random_effects(lib: Library, random_state: int) -> dict[str, np.ndarray]:
    """Factors on every gene by class of cell: patient, study, pool, library."""
    ref = reference()
    size = len(ref.symbol)

    def normal(*key: str) -> np.ndarray:
        return stream(random_state, *key).normal(size=size)

    patient = lib.patient.name
    shared = ref.donor_sd * (0.7 * normal("patient", patient) + 0.3 * normal("lib", lib.sample_id))
    shared += 0.14 * normal("study", lib.patient.study) + 0.05 * normal("pool", lib.pool)
    out = {}
    for kind in ("CD4", "CD8", "myeloid", "other"):
        own = 0.5 * ref.donor_sd * normal("patient", patient, kind)
        out[kind] = np.exp(shared + own)
    return out


def _kind(state: State) -> str:
    if state.t_lineage:
        return state.t_lineage
    myeloid = ("CD14 monocyte", "CD16 monocyte", "cDC", "ICANS-associated", "LAMP3+")
    return "myeloid" if state.cell_type in myeloid else "other"


def expected_profile(
    lib: Library, state: State, *, deviation: np.ndarray, strength: float
) -> np.ndarray:
    """Return the expected expression of one state in one library, summing to 1.

    Parameters
    ----------
    lib
        Which library.
    state
        Which cells.
    deviation
        Factor on every gene in this patient and library.
    strength
        Factor on planted effects.
    """
    ref = reference()
    profile = states()[state.cell_type, state.t_subset, lib.product].copy()
    if state.phase != "G1":
        profile += cycling_factor(state.phase)
    if state.car:
        if not lib.product:
            for gene, factor in m.CAR_TIMES.items():
                profile[ref.position[gene]] *= factor
        profile[ref.position[CAR_FEATURES[0]]] = CAR_PER_MILLION * (0.6 if lib.product else 1)
    for gene in HEME:
        profile[ref.position[gene]] = max(profile[ref.position[gene]], 4.0)
    female = lib.patient.sex == "female"
    for gene in _FEMALE_GENES:
        profile[ref.position[gene]] = (220.0 if gene == "XIST" else 4.0) if female else 0.0
    if female:
        profile[ref.at(_MALE_GENES)] = 0.0
    else:
        profile[ref.at(_MALE_GENES[1:])] = np.maximum(profile[ref.at(_MALE_GENES[1:])], 12.0)
    profile *= deviation
    change = gene_effects(lib.patient, state, strength)
    changed = np.flatnonzero(change)
    profile[changed] *= 2 ** change[changed]
    return profile / profile.sum()


def simulate_library(lib: Library, size: int, *, strength: float, random_state: int) -> Simulated:
    """Draw one library.

    Parameters
    ----------
    lib
        Which library.
    size
        Number of sound cells; doublets and damaged droplets come on top.
    strength
        Factor on planted effects; 0 plants nothing.
    random_state
        The run's seed. The result depends on it and on the library alone.
    """
    rng = stream(random_state, "library", lib.sample_id)
    dealt = deal(lib, size, strength=strength, random_state=random_state)
    kinds = [state for state, _ in dealt]
    effects = _random_effects(lib, random_state)
    profiles = np.array(
        [expected_profile(lib, s, deviation=effects[_kind(s)], strength=strength) for s in kinds]
    )
    sound = np.repeat(np.arange(len(kinds)), [n for _, n in dealt])
    droplets = draw_droplets(sound, rng)
    n = len(droplets["first"])
    molecules = draw_molecules(lib, kinds, droplets, rng=rng)
    activity = draw_activity(n, rng)
    damage(droplets, molecules, activity=activity, profiles=profiles, rng=rng)
    if lib.failed:
        # a real failed library had a median of 24 molecules in what was taken for cells
        molecules[:, 0] *= 24 / np.median(molecules[:, 0])
        molecules[:, 1] *= 0
    counts, share = _draw(profiles, droplets, molecules=molecules, activity=activity, rng=rng)
    truth = truth_table(lib, kinds, droplets, molecules=molecules, rng=rng)
    return Simulated(lib, counts, truth.assign(ambient_share=np.round(droplets["soup"], 4)), share)


def _draw(
    profiles: np.ndarray,
    droplets: dict[str, np.ndarray],
    *,
    molecules: np.ndarray,
    activity: np.ndarray,
    rng: np.random.Generator,
) -> tuple[sp.csr_matrix, float]:
    direct = _direct()
    weight = np.bincount(droplets["first"], molecules[:, 0], minlength=len(profiles))
    ambient_profile = weight @ profiles
    # long, membrane-bound and rarely spilt: CAR transcripts are thinner in the soup than in cells
    ambient_profile[-len(CAR_FEATURES) :] *= 0.5
    soup_threshold, soup_other = alias_table(ambient_profile)
    share = np.ascontiguousarray(profiles[:, direct.position])
    rest = profiles.copy()
    rest[:, direct.position] = 0
    threshold, other = alias_tables(rest)
    expected = molecules.sum(1)
    soup = expected * droplets["soup"] / (1 - droplets["soup"])
    capacity = int((expected + soup).sum() * 0.6) + 100_000
    start = rng.bit_generator.state
    while True:
        rng.bit_generator.state = start
        indptr, indices, data, fitted = draw(
            rng,
            (droplets["first"], droplets["second"], molecules),
            (direct.position, share, direct.dispersion, direct.program),
            activity,
            (rest.sum(1), threshold, other),
            (soup, soup_threshold, soup_other),
            capacity,
        )
        if fitted:
            break
        capacity *= 2
    counts = sp.csr_matrix((data, indices, indptr), shape=(len(molecules), profiles.shape[1]))
    return counts, float(np.sum(soup) / np.sum(soup + expected))
