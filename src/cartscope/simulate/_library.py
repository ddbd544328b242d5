"""One library: its droplets, the truth about them, and their counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import scipy.sparse as sp

from cartscope._rng import stream
from cartscope.simulate import _markers as m
from cartscope.simulate._deal import deal
from cartscope.simulate._design import NEW, Library
from cartscope.simulate._effects import State, gene_effects
from cartscope.simulate._kernel import alias_table, alias_tables, draw
from cartscope.simulate._profiles import CAR_FEATURES, cycling_factor, reference, states

CAR_PER_MILLION = 490.0  # about 78% of CAR T cells of a sorted library show a molecule
_DIRECT_PER_MILLION = 90.0
_MOLECULES = {
    "T": 3000, "CD14 monocyte": 4200, "CD16 monocyte": 4000, "NK": 2800, "B": 2900, "pDC": 4600,
    "cDC": 5600, "platelet": 900, "erythroid": 2400, "ICANS-associated": 7000, "LAMP3+": 7500,
}  # fmt: skip
_PRODUCT_T = 6200
# programmes of activity with the standard deviation of their log level between cells
_PROGRAMS = {
    "mito": 0.45, "ribosome": 0.34, "cytoskeleton": 0.3, "nuclear": 0.35, "metabolism": 0.25,
     "stress": 0.7, "cytotoxic": 0.45, "inflammation": 0.8,
    "mhc2": 0.35, "naive": 0.35, "s100": 0.35, "interferon": 0.55, "glucocorticoid": 0.4,
    "cycle": 0.3, "heme": 0.0,
}  # fmt: skip
_AGAINST_RIBOSOME = {"cytoskeleton": -0.5, "s100": -0.5, "nuclear": -0.3, "metabolism": -0.2}
_FEMALE_GENES = ("XIST", "TSIX")
_MALE_GENES = ("RPS4Y1", "DDX3Y", "EIF1AY", "UTY", "KDM5D", "USP9Y", "ZFY")
_HEME = ("HBB", "HBA1", "HBA2")
DOUBLETS, DYING, FEW_GENES, HBB_HIGH = 0.045, 0.03, 0.02, 0.01


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
def program_genes() -> dict[str, np.ndarray]:
    """Positions of the genes of every programme of activity; a gene is in one at most."""
    ref = reference()
    symbols = ref.symbol.astype(str)
    ribosome = [s for s in symbols if s.startswith(("RPL", "RPS")) and s[3:4].isdigit()]
    cycle = [ref.programs[n] for n in ("s_phase", "g2m_phase", "proliferation")]
    found = {
        "heme": ref.at(_HEME),
        "mito": np.flatnonzero(np.char.startswith(symbols, "MT-")),
        "cycle": np.concatenate(cycle),
        "stress": ref.at(m.STRESS),
        "cytotoxic": ref.at(m.CYTOTOXIC),
        "inflammation": ref.at(m.INFLAMMATION),
        "mhc2": ref.at(m.MHC2),
        "naive": ref.at(m.NAIVE),
        "s100": ref.at(m.S100),
        "glucocorticoid": ref.at(m.GLUCOCORTICOID),
        "interferon": ref.programs["ifn_alpha"],
        "ribosome": ref.at(ribosome),
        "cytoskeleton": ref.at(m.CYTOSKELETON),
        "nuclear": ref.at(m.NUCLEAR),
        "metabolism": ref.at(m.METABOLISM),
    }
    seen: set[int] = set()
    out = {}
    for name, at in found.items():
        out[name] = np.array([i for i in at if int(i) not in seen], dtype=np.int64)
        seen |= {int(i) for i in at}
    return out


@lru_cache(maxsize=1)
def _direct() -> _Direct:
    ref = reference()
    program = np.full(len(ref.symbol), -1, np.int32)
    for number, name in enumerate(_PROGRAMS):
        program[program_genes()[name]] = number
    highest = np.max(list(states().values()), axis=0)
    chosen = (highest > _DIRECT_PER_MILLION) | (program >= 0)
    chosen[-len(CAR_FEATURES) :] = True
    at = np.flatnonzero(chosen)
    return _Direct(at.astype(np.int32), ref.dispersion[at], program[at])


def _random_effects(lib: Library, random_state: int) -> dict[str, np.ndarray]:
    """Log-scale deviations of every gene by class of cell: patient, study, pool, library."""
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
        out[kind] = shared + own
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
        Log-scale deviations of every gene in this patient and library.
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
    for gene in _HEME:
        profile[ref.position[gene]] = max(profile[ref.position[gene]], 4.0)
    female = lib.patient.sex == "female"
    for gene in _FEMALE_GENES:
        profile[ref.position[gene]] = (220.0 if gene == "XIST" else 4.0) if female else 0.0
    if female:
        profile[ref.at(_MALE_GENES)] = 0.0
    else:
        profile[ref.at(_MALE_GENES[1:])] = np.maximum(profile[ref.at(_MALE_GENES[1:])], 12.0)
    profile *= np.exp(deviation + np.log(2) * gene_effects(lib.patient, state, strength))
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
    droplets = _droplets(sound, rng)
    n = len(droplets["first"])
    molecules = _molecules(lib, kinds, droplets, rng=rng)
    activity = _activity(n, rng)
    _damage(droplets, molecules, activity=activity, profiles=profiles, rng=rng)
    if lib.failed:
        # a real failed library had a median of 24 molecules in what was taken for cells
        molecules[:, 0] *= 24 / np.median(molecules[:, 0])
        molecules[:, 1] *= 0
    counts, share = _draw(profiles, droplets, molecules=molecules, activity=activity, rng=rng)
    truth = _truth(lib, kinds, droplets, molecules=molecules, rng=rng)
    return Simulated(lib, counts, truth.assign(ambient_share=np.round(droplets["soup"], 4)), share)


def _droplets(sound: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    size = len(sound)
    extra = {
        "doublet": rng.binomial(size, DOUBLETS),
        "dying": rng.binomial(size, DYING),
        "few genes": rng.binomial(size, FEW_GENES),
        "HBB-high": rng.binomial(size, HBB_HIGH),
    }
    first = np.concatenate([sound, *[rng.choice(sound, c) for c in extra.values()]])
    state = np.repeat(["", *extra], [size, *extra.values()])
    second = np.full(len(first), -1, np.int64)
    second[state == "doublet"] = rng.choice(sound, extra["doublet"])
    order = rng.permutation(len(first))
    return {"first": first[order], "second": second[order], "state": state[order]}


def _molecules(
    lib: Library,
    kinds: list[State],
    droplets: dict[str, np.ndarray],
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    depth = np.exp(rng.normal(0, 0.18)) * (1.1 if lib.patient.study == NEW else 1.0)
    typical = np.array(
        [
            (_PRODUCT_T if lib.product and s.cell_type == "T" else _MOLECULES[s.cell_type])
            * (1.5 if s.phase != "G1" else 1.0)
            * (1.2 if s.car else 1.0)
            for s in kinds
        ]
    )
    index = np.stack([droplets["first"], droplets["second"]], axis=1)
    noise = np.exp(rng.normal(0, 0.36, index.shape))
    return np.where(index >= 0, typical[np.maximum(index, 0)] * depth * noise, 0.0)


def _activity(n: int, rng: np.random.Generator) -> np.ndarray:
    sd = np.array(list(_PROGRAMS.values()))
    level = rng.normal(0, 1, (n, 2, len(sd)))
    names = list(_PROGRAMS)
    # cells rich in ribosomal messages are poor in others: the strongest axis of resting blood
    for name, rho in _AGAINST_RIBOSOME.items():
        own = level[..., names.index(name)]
        shared = level[..., names.index("ribosome")]
        level[..., names.index(name)] = rho * shared + np.sqrt(1 - rho**2) * own
    return np.exp(level * sd - sd**2 / 2)


def _damage(
    droplets: dict[str, np.ndarray],
    molecules: np.ndarray,
    *,
    activity: np.ndarray,
    profiles: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Turn the droplets that are to be damaged into what they are, in place."""
    names = list(_PROGRAMS)
    genes = program_genes()
    state, first = droplets["state"], droplets["first"]
    dying = np.flatnonzero(state == "dying")
    mito = profiles[:, genes["mito"]].sum(1)[first[dying]]
    target = rng.uniform(0.18, 0.65, len(dying))
    molecules[dying, 0] *= rng.uniform(0.25, 0.7, len(dying)) * (1 - target) / (1 - mito)
    activity[dying, 0, names.index("mito")] = target / (1 - target) * (1 - mito) / mito
    red = np.flatnonzero(state == "HBB-high")
    heme = profiles[:, genes["heme"]].sum(1)[first[red]]
    activity[red, 0, names.index("heme")] = rng.uniform(0.06, 0.2, len(red)) / heme
    few = np.flatnonzero(state == "few genes")
    molecules[few, 0] = rng.uniform(30, 200, len(few))
    # ambient molecules are a few in a hundred of a cell's, and most of a nearly empty droplet's
    level = rng.uniform(0.012, 0.035)
    soup = level * np.exp(rng.normal(0, 0.4, len(first)))
    soup[few] = rng.uniform(0.3, 0.8, len(few))
    droplets["soup"] = np.clip(soup, 0, 0.9)


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


def _truth(
    lib: Library,
    kinds: list[State],
    droplets: dict[str, np.ndarray],
    *,
    molecules: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    first, second = droplets["first"], droplets["second"]
    table = pd.DataFrame(
        {
            "cell_type": [s.cell_type for s in kinds],
            "t_subset": [s.t_subset for s in kinds],
            "t_lineage": [s.t_lineage for s in kinds],
            "car": [s.car for s in kinds],
            "phase": [s.phase for s in kinds],
        }
    )
    truth = table.iloc[first].reset_index(drop=True)
    doublet = second >= 0
    types = table["cell_type"].to_numpy()
    kind = np.where(types[first] == types[np.maximum(second, 0)], "homotypic", "heterotypic")
    truth.insert(0, "sample_id", lib.sample_id)
    truth.insert(1, "barcode", _barcodes(len(first), rng))
    truth["cycling"] = truth["phase"] != "G1"
    truth["doublet"] = doublet
    truth["doublet_kind"] = np.where(doublet, kind, "")
    truth["second_cell_type"] = np.where(doublet, types[np.maximum(second, 0)], "")
    # a doublet is CAR-positive when either of its cells is
    truth["car"] |= doublet & table["car"].to_numpy()[np.maximum(second, 0)]
    damaged = np.where(doublet, "", droplets["state"])
    truth["damage"] = np.where(lib.failed, "failed library", damaged)
    truth["expected_molecules"] = np.round(molecules.sum(1)).astype(np.int64)
    return truth


def _barcodes(n: int, rng: np.random.Generator) -> np.ndarray:
    letters = np.array(list("ACGT"))
    codes = np.array([], dtype=np.int64)
    while len(codes) < n:
        codes = np.unique(np.concatenate([codes, rng.integers(4**16, size=n + 16)]))
    codes = np.sort(rng.permutation(codes)[:n])
    digits = (codes[:, None] // 4 ** np.arange(15, -1, -1)) % 4
    return np.array(["".join(row) + "-1" for row in letters[digits]], dtype=object)
