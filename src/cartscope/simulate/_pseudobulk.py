"""Sums of cells per patient, drawn without drawing cells: for hundreds of cohorts at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope import _keys as k
from cartscope._errors import InputError
from cartscope._rng import stream
from cartscope.simulate import _markers as m
from cartscope.simulate._arguments import strength_of
from cartscope.simulate._deal import (
    CAR_NEGATIVE,
    CAR_POSITIVE,
    PRODUCT,
    cycling_share,
    expansion,
)
from cartscope.simulate._design import COMPARATOR, NEW, Patient, libraries
from cartscope.simulate._effects import State, gene_effects
from cartscope.simulate._profiles import cycling_factor, reference, states

if TYPE_CHECKING:
    import anndata as ad

_MOLECULES = 3500.0  # of a cell


@dataclass(frozen=True)
class _Population:
    """States of a population with their weights, T cells by lineage and CAR."""

    timepoint: str
    cell_type: str
    subsets: tuple[tuple[str, float], ...] = (("", 1.0),)
    car: bool = False


def _both(table: dict[str, dict[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple((s, 0.5 * w) for shares in table.values() for s, w in shares.items())


_DAY7, _IP = k.timepoints.day7, k.timepoints.infusion_product
_POPULATIONS = {
    "cd14_monocyte": _Population(_DAY7, "CD14 monocyte"),
    "nk": _Population(_DAY7, "NK"),
    "car_pos_t": _Population(_DAY7, "T", _both(CAR_POSITIVE), car=True),
    "car_neg_t": _Population(_DAY7, "T", _both(CAR_NEGATIVE)),
    "car_pos_cd4": _Population(_DAY7, "T", tuple(CAR_POSITIVE["CD4"].items()), car=True),
    "car_pos_cd8": _Population(_DAY7, "T", tuple(CAR_POSITIVE["CD8"].items()), car=True),
    "car_neg_cd4": _Population(_DAY7, "T", tuple(CAR_NEGATIVE["CD4"].items())),
    "car_neg_cd8": _Population(_DAY7, "T", tuple(CAR_NEGATIVE["CD8"].items())),
    "car_pos_cd4_ctl": _Population(_DAY7, "T", (("CD4 CTL", 1.0),), car=True),
    "cd4": _Population(_IP, "T", tuple(PRODUCT["CD4"].items())),
    "cd8": _Population(_IP, "T", tuple(PRODUCT["CD8"].items())),
}


def simulate_pseudobulk(
    population: str,
    *,
    cells: int = 60,
    seed: int = 0,
    null: bool = False,
    effect: float = 1.0,
    detection: float = 1.0,
    min_cpm: float = 5.0,
) -> ad.AnnData:
    """Draw one population's pseudobulk counts of every patient of the simulated study.

    The same profiles, patient effects, planted effects and dispersions as in
    :func:`~cartscope.simulate.simulate`, a few milliseconds a cohort: for calibration over
    hundreds of cohorts. Differs from sums of simulated cells in having no ambient molecules,
    doublets or wrong labels.

    Parameters
    ----------
    population
        Id in ``contrasts.toml`` (``"cd14_monocyte"``, ``"car_neg_cd8"``, ``"car_pos_cd4_ctl"``,
        ``"nk"``, ...); ``"cd4"`` and ``"cd8"`` are those of the infusion products.
    cells
        Median number of cells of a patient; the numbers vary by a factor of about two.
    seed
        The same seed gives the same cohort.
    null
        Plant no effect; expansion still differs by CRS grade.
    effect
        Factor on the strength of every planted effect.
    detection
        Share of CAR T cells whose transcript is found. The others lie among the CAR-negative
        cells, more of them where expansion was stronger.
    min_cpm
        Genes expected below this level (counts per million) are left out.

    Returns
    -------
    Patients x genes: integer ``X`` and ``layers["counts"]``, ``layers["true_log2"]`` the planted
    log2 change, ``obs`` with patient, study, anakinra, grades, sex, n_cells and ``car_share``.

    Raises
    ------
    InputError
        If the population is unknown or a number is out of its range.

    Examples
    --------
    >>> from cartscope.simulate import simulate_pseudobulk
    >>> pdata = simulate_pseudobulk("cd14_monocyte", null=True)
    >>> pdata.n_obs
    30
    """
    import anndata as ad

    strength = strength_of(effect, null=null)
    if population not in _POPULATIONS:
        msg = f"population: {population!r} cannot be drawn; choose from {list(_POPULATIONS)}."
        raise InputError(msg)
    if not 0 < detection <= 1 or cells < 1:
        msg = f"detection: {detection} (above 0, at most 1) or cells: {cells} (1 or more) is wrong."
        raise InputError(msg)
    what = _POPULATIONS[population]
    rest, active = _resting_and_cycling(population)
    keep = np.flatnonzero(np.maximum(rest, 0.8 * rest + 0.2 * active) >= min_cpm * 1e-6)
    ref = reference()
    spread, dispersion = 0.95 * ref.donor_sd[keep], ref.dispersion[keep]
    twin = population.replace("neg", "pos") if "neg" in population else None
    # what a study's patients share, as in the cells
    batch = {
        study: 0.14 * stream(seed, "study", study).normal(size=len(ref.symbol))[keep]
        for study in (NEW, COMPARATOR)
    }
    rows, truth, table = [], [], []
    for patient in _with_sample(what):
        rng = stream(seed, "pseudobulk", population, patient.name)
        n = max(int(np.round(cells * np.exp(rng.normal(0, 0.35)))), 1)
        share = expansion(patient, floor=0.0, random_state=seed)
        profile, change = _expected(population, patient, strength, keep=keep)
        if twin:
            missed = share * (1 - detection)
            weight = missed / (missed + 1 - share)
            other, _ = _expected(twin, patient, strength, keep=keep)
            profile = (1 - weight) * profile + weight * other
        deviation = spread * rng.normal(size=len(keep)) + batch[patient.study]
        mean = profile * np.exp(deviation) * n * _MOLECULES * np.exp(rng.normal(0, 0.25))
        phi = dispersion / n
        rows.append(rng.poisson(mean * rng.gamma(1 / phi, phi)))
        truth.append(change)
        table.append(_patient_row(patient, n=n, share=share))
    counts = np.array(rows, dtype=np.int64)
    obs = pd.DataFrame(table).set_index(k.obs.patient, drop=False)
    obs.index.name = None
    symbols = ref.symbol[keep].astype(str)
    var = pd.DataFrame({k.var.ensembl_id: ref.gene_id[keep].astype(str)}, index=symbols)
    adata = ad.AnnData(counts, obs=obs, var=var)
    adata.var_names_make_unique()
    adata.layers[k.layers.counts] = counts.copy()
    adata.layers[k.layers.true_log2] = np.array(truth)
    adata.uns[k.uns.cartscope] = {k.uns.simulated: True}
    return adata


def _with_sample(what: _Population) -> list[Patient]:
    found = [lib.patient for lib in libraries() if lib.timepoint == what.timepoint]
    return list({p.name: p for p in found}.values())


@lru_cache(maxsize=32)
def _resting_and_cycling(population: str) -> tuple[np.ndarray, np.ndarray]:
    what = _POPULATIONS[population]
    ref = reference()
    product = what.timepoint == _IP
    add = 0.5 * (cycling_factor("S") + cycling_factor("G2M"))
    rest, active = np.zeros(len(ref.symbol)), np.zeros(len(ref.symbol))
    total = sum(weight for _, weight in what.subsets)
    for subset, weight in what.subsets:
        profile = states()[what.cell_type, subset, product].copy()
        if what.car and not product:
            for gene, factor in m.CAR_TIMES.items():
                profile[ref.position[gene]] *= factor
        rest += weight / total * profile / profile.sum()
        active += weight / total * (profile + add) / (profile + add).sum()
    return rest, active


def _expected(
    population: str, patient: Patient, strength: float, *, keep: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expected expression of the kept genes in one patient, and the log2 change planted in it."""
    what = _POPULATIONS[population]
    rest, active = _resting_and_cycling(population)
    total = sum(weight for _, weight in what.subsets)
    states_of = [(_state(what, subset), weight / total) for subset, weight in what.subsets]
    share = sum(w * cycling_share(patient, state, strength) for state, w in states_of)
    change = np.zeros(len(keep))
    if strength:
        # the mean over subsets of the factors, as their cells are summed
        factor = sum(w * 2 ** gene_effects(patient, s, strength)[keep] for s, w in states_of)
        change = np.log2(factor)
    return ((1 - share) * rest[keep] + share * active[keep]) * 2**change, change


def _state(what: _Population, subset: str) -> State:
    return State(what.timepoint, what.cell_type, subset, what.car)


def _patient_row(patient: Patient, *, n: int, share: float) -> dict[str, object]:
    return {
        k.obs.patient: patient.name,
        k.obs.study: patient.study,
        k.obs.anakinra: patient.anakinra,
        k.obs.crs_grade: patient.crs,
        k.obs.nt_grade: patient.nt,
        k.obs.sex: patient.sex,
        k.obs.n_cells: n,
        "car_share": round(share, 4),
    }
