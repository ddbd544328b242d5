"""How many cells of which state each library gets.

The paper's cell numbers set the proportions between libraries. In a small cohort that would leave
some populations of ``contrasts.toml`` with a handful of cells, so every library first gets what
those populations need, and shares the rest.
"""

from __future__ import annotations

import numpy as np

from cartscope import _keys as k
from cartscope._rng import stream
from cartscope.simulate._design import COMPARATOR, NEW, Library, Patient, libraries
from cartscope.simulate._effects import State

_NEED = 40  # cells of a population, of which at least 25 should survive quality control and labels
_NEED_CAR = 54  # likewise where about a fifth is lost to undetected CAR transcripts
_NEED_CTL = 70  # likewise where the gates lose some more
OTHERS = {
    "CD16 monocyte": 0.03,
    "B": 0.02,
    "pDC": 0.015,
    "cDC": 0.02,
    "platelet": 0.025,
    "erythroid": 0.01,
}  # fmt: skip
CAR_NEGATIVE = {
    "CD4": {"CD4 naive": 0.2, "CD4 CM": 0.36, "CD4 EM": 0.26, "CD4 TEMRA": 0.06, "CD4 CTL": 0.12},
    "CD8": {"CD8 naive": 0.18, "CD8 CM": 0.2, "CD8 EM": 0.38, "CD8 TEMRA": 0.24},
}
CAR_POSITIVE = {
    "CD4": {"CD4 naive": 0.02, "CD4 CM": 0.22, "CD4 EM": 0.26, "CD4 TEMRA": 0.03, "Treg": 0.07,
            "CD4 CTL": 0.4},
    "CD8": {"CD8 naive": 0.02, "CD8 CM": 0.18, "CD8 EM": 0.6, "CD8 TEMRA": 0.2},
}  # fmt: skip
PRODUCT = {
    "CD4": {"CD4 naive": 0.12, "CD4 CM": 0.42, "CD4 EM": 0.3, "CD4 TEMRA": 0.03, "Treg": 0.06,
            "CD4 CTL": 0.07},
    "CD8": {"CD8 naive": 0.15, "CD8 CM": 0.4, "CD8 EM": 0.37, "CD8 TEMRA": 0.08},
}  # fmt: skip
# two products have more than 1% of ICANS-associated cells, as published
_RICH_PRODUCTS = (f"{NEW}-Anakinra-03", f"{COMPARATOR}-14")


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def _expit(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def _between(low: float, high: float, share: float) -> float:
    return _expit(logit(low) + share * (logit(high) - logit(low)))


def expansion(patient: Patient, *, floor: float, random_state: int) -> float:
    """CAR share of a patient's T cells at day 7; higher with grade in every cohort, null or not."""
    noise = stream(random_state, "expansion", patient.name).normal(0, 0.25)
    return max(_expit(logit(0.5 if patient.crs_high else 0.24) + noise), floor)


def cd8_share(patient: Patient, strength: float) -> float:
    """CD8 share of CAR-negative T cells at day 7, before noise."""
    return _between(0.52, 0.36, strength * composition_dose(patient))


def treg_share(patient: Patient, strength: float) -> float:
    """Share of regulatory T cells among CAR-negative T cells at day 7, before noise."""
    return _between(0.05, 0.125, strength * composition_dose(patient))


def composition_dose(patient: Patient) -> float:
    if not patient.crs_high:
        return 0.0
    if not patient.anakinra:
        return 1.0
    # the same trends with anakinra, most pronounced without neurotoxicity
    return 0.4 if patient.nt_high else 0.9


def cycling_share(patient: Patient, state: State, strength: float) -> float:
    """Cycling share of a state's cells, before noise."""
    if state.cell_type != "T":
        return 0.03 if state.cell_type == "NK" else 0.0
    if state.timepoint == k.timepoints.infusion_product:
        return 0.5
    if state.timepoint != k.timepoints.day7:
        return 0.02
    dose = strength if patient.anakinra and patient.toxic else 0.0
    if state.car:
        return _between(0.26, 0.52, dose)
    if state.t_lineage == "CD8" and patient.nt_high:
        return _between(0.05, 0.3, dose)
    return _between(0.05, 0.17, dose)


def fill(natural: np.ndarray, need: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers that sum to ``total``, proportional to ``natural`` but not below ``need``."""
    if need.sum() >= total:
        exact = need / need.sum() * total
    else:
        low, high = 0.0, total / natural.sum()
        for _ in range(60):
            middle = (low + high) / 2
            if np.maximum(natural * middle, need).sum() > total:
                high = middle
            else:
                low = middle
        exact = np.maximum(natural * low, need)
    whole = np.floor(exact).astype(np.int64)
    rest = np.argsort(-(exact - whole), kind="stable")[: int(total - whole.sum())]
    whole[rest] += 1
    return whole


def _has_sorted(patient: Patient) -> bool:
    return any(lib.sorted and lib.patient == patient for lib in libraries())


def _shares(patient: Patient, strength: float, random_state: int) -> tuple[float, float]:
    """CAR share of T cells and CD8 share of CAR-negative T cells of one patient at day 7."""
    car = expansion(patient, floor=0.1 if _has_sorted(patient) else 0.26, random_state=random_state)
    noise = stream(random_state, "cd8", patient.name).normal(0, 0.18)
    return car, _expit(logit(cd8_share(patient, strength)) + noise)


def day7_needs(lib: Library, random_state: int, strength: float = 1.0) -> dict[str, float]:
    """Cells that the populations of the contrasts need in one unsorted day-7 library."""
    car, cd8 = _shares(lib.patient, strength, random_state)
    wanted = _NEED_CAR - (20 if _has_sorted(lib.patient) else 0)
    ctl = _NEED_CTL if lib.patient.study == NEW and not lib.patient.crs_high else 0
    positive4 = max(wanted, 1.3 * ctl)
    positive8 = float(wanted)
    negative = max(_NEED / min(cd8, 1 - cd8), (positive4 + positive8) * (1 - car) / car)
    return {
        "CD14 monocyte": _NEED,
        "NK": _NEED,
        "CAR- CD4": negative * (1 - cd8),
        "CAR- CD8": negative * cd8,
        "CAR+ CD4": positive4,
        "CAR+ CD8": positive8,
    }


def deal(lib: Library, size: int, *, strength: float, random_state: int) -> list[tuple[State, int]]:
    """Return how many sound cells of each state a library gets.

    Parameters
    ----------
    lib
        Which library.
    size
        Its number of sound cells.
    strength
        Factor on what is planted in composition and cycling; 0 plants nothing.
    random_state
        The run's seed.
    """
    rng = stream(random_state, "deal", lib.sample_id)
    if lib.product:
        groups = _product(lib, size, rng)
    elif lib.sorted:
        groups = _sorted(lib, size, rng)
    else:
        groups = _blood(lib, size, strength=strength, random_state=random_state)
    out: list[tuple[State, int]] = []
    for state, count in groups:
        mean = cycling_share(lib.patient, state, strength)
        # one deviation a patient and kind of cell, shared by that patient's libraries
        kind = "car" if state.car else "rest"
        noise = stream(random_state, "cycling", lib.patient.name, kind).normal(0, 0.2)
        active = int(rng.binomial(count, _expit(logit(mean) + noise))) if mean else 0
        early = int(rng.binomial(active, 0.5))
        for phase, n in (("G1", count - active), ("S", early), ("G2M", active - early)):
            if n:
                out.append(
                    (State(state.timepoint, state.cell_type, state.t_subset, state.car, phase), n)
                )
    return out


def _subsets(
    lib: Library, count: float, shares: dict[str, float], *, car: bool, rng: np.random.Generator
) -> list[tuple[State, int]]:
    weight = np.array(list(shares.values())) * np.exp(rng.normal(0, 0.15, len(shares)))
    counts = fill(weight, np.zeros(len(weight)), round(count)) if count >= 1 else weight * 0
    return [
        (State(lib.timepoint, "T", subset, car), int(n))
        for subset, n in zip(shares, counts, strict=True)
        if n
    ]


def _blood(
    lib: Library, size: int, *, strength: float, random_state: int
) -> list[tuple[State, int]]:
    rng = stream(random_state, "blood", lib.sample_id)
    patient = lib.patient
    car, cd8 = _shares(patient, strength, random_state)
    needs = day7_needs(lib, random_state, strength)
    day7 = lib.timepoint == k.timepoints.day7
    if not day7:
        car, needs = 0.0, dict.fromkeys(needs, 0.0)
    other = {name: size * p * np.exp(rng.normal(0, 0.3)) for name, p in OTHERS.items()}
    t_cells = 0.66
    natural = {
        "CD14 monocyte": size * 0.14 * np.exp(rng.normal(0, 0.25)),
        "NK": size * 0.08 * np.exp(rng.normal(0, 0.25)),
        "CAR- CD4": size * t_cells * (1 - car) * (1 - cd8),
        "CAR- CD8": size * t_cells * (1 - car) * cd8,
        "CAR+ CD4": size * t_cells * car * 0.46,
        "CAR+ CD8": size * t_cells * car * 0.54,
    }
    names = [*natural, *other]
    values = np.array([*natural.values(), *other.values()])
    floors = np.array([*needs.values(), *[min(2.0, size * 0.01) for _ in other]])
    counts = dict(zip(names, fill(values, floors, size), strict=True))
    treg = _expit(logit(treg_share(patient, strength)) + rng.normal(0, 0.2)) / (1 - cd8)
    conventional = {s: p * (1 - treg) for s, p in CAR_NEGATIVE["CD4"].items()}
    out = _subsets(lib, counts["CAR- CD4"], {**conventional, "Treg": treg}, car=False, rng=rng)
    out += _subsets(lib, counts["CAR- CD8"], CAR_NEGATIVE["CD8"], car=False, rng=rng)
    # where the cytotoxic CD4 cells of a small library are compared, enough of them are CTL
    wanted = _NEED_CTL if needs["CAR+ CD4"] > _NEED_CTL else 0
    shares = dict(CAR_POSITIVE["CD4"])
    share = max(shares["CD4 CTL"], min(wanted / max(counts["CAR+ CD4"], 1), 0.78))
    shares["CD4 CTL"] = share / (1 - share) * (sum(shares.values()) - shares["CD4 CTL"])
    out += _subsets(lib, counts["CAR+ CD4"], shares, car=True, rng=rng)
    out += _subsets(lib, counts["CAR+ CD8"], CAR_POSITIVE["CD8"], car=True, rng=rng)
    return out + [
        (State(lib.timepoint, name), int(counts[name]))
        for name in ("CD14 monocyte", "NK", *other)
        if counts[name]
    ]


def _sorted(lib: Library, size: int, rng: np.random.Generator) -> list[tuple[State, int]]:
    pure = round(size * 0.95)
    cd8 = rng.binomial(pure, 0.52)
    negative = round(size * 0.03)
    out = _subsets(lib, pure - cd8, CAR_POSITIVE["CD4"], car=True, rng=rng)
    out += _subsets(lib, cd8, CAR_POSITIVE["CD8"], car=True, rng=rng)
    out += _subsets(lib, negative, CAR_NEGATIVE["CD4"], car=False, rng=rng)
    rest = size - pure - negative
    return out + ([(State(lib.timepoint, "CD14 monocyte"), rest)] if rest else [])


def _product(lib: Library, size: int, rng: np.random.Generator) -> list[tuple[State, int]]:
    rich = lib.patient.name in _RICH_PRODUCTS
    rare = {
        "ICANS-associated": size * (0.04 if rich else 0.007),
        "LAMP3+": size * 0.011,
        "NK": size * 0.006,
    }
    counts = {name: int(np.floor(n + rng.random())) for name, n in rare.items()}
    t_cells = size - sum(counts.values())
    # a commercial product is about half CAR T cells; the rest went through the same culture
    car = rng.binomial(t_cells, _expit(rng.normal(0.2, 0.25)))
    cd8 = _expit(rng.normal(-0.05, 0.15))
    out = []
    for positive, count in ((True, car), (False, t_cells - car)):
        number8 = round(count * cd8)
        out += _subsets(lib, count - number8, PRODUCT["CD4"], car=positive, rng=rng)
        out += _subsets(lib, number8, PRODUCT["CD8"], car=positive, rng=rng)
    return out + [(State(lib.timepoint, name), n) for name, n in counts.items() if n]
