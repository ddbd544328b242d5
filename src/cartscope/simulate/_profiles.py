"""Expression profiles of cell states: blood of the packaged table, reshaped by marker genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
import pandas as pd

from cartscope.simulate import _markers as m

CAR_FEATURES = ("Yescarta", "Kymriah")
T_SUBSETS = tuple(m.T_SUBSETS)
MILLION = 1e6
MITO = 1.8
FREQUENT = 300  # per million


@dataclass(frozen=True)
class Reference:
    """The packaged tables, by gene; the two CAR transcripts are the last genes."""

    gene_id: np.ndarray
    symbol: np.ndarray
    blood: dict[str, np.ndarray]  # counts per million
    dispersion: np.ndarray
    donor_sd: np.ndarray
    ifn: np.ndarray  # log2 change under interferon beta
    programs: dict[str, np.ndarray]  # positions of genes
    position: dict[str, int]

    def at(self, symbols: list[str] | tuple[str, ...]) -> np.ndarray:
        """Positions of symbols; every one must exist."""
        return np.array([self.position[s] for s in symbols], dtype=np.int64)


@lru_cache(maxsize=1)
def reference() -> Reference:
    """Read the packaged tables once."""
    folder = resources.files("cartscope.simulate") / "data"
    with resources.as_file(folder / "profiles.csv.gz") as path:
        table = pd.read_csv(
            path, keep_default_na=False, na_values={"dispersion": "", "donor_sd": ""}
        )
    with (folder / "programs.csv").open() as handle:
        sets = pd.read_csv(handle, keep_default_na=False)
    extra = len(CAR_FEATURES)
    position: dict[str, int] = {}
    for i, s in enumerate([*table["symbol"], *CAR_FEATURES]):
        position.setdefault(str(s), i)
    blood = {
        name: np.concatenate([table[name].to_numpy(float), np.zeros(extra)])
        for name in table.columns[2 : table.columns.get_loc("dispersion")]
    }
    # pbmc3k's cells have 2% of mitochondrial molecules, the 5' libraries of CAR
    # T cells in blood that this is modelled on 5%
    mito = np.array([str(s).startswith("MT-") for s in [*table["symbol"], *CAR_FEATURES]])
    for profile in blood.values():
        profile[mito] *= MITO
    overall = np.mean(list(blood.values()), axis=0)
    return Reference(
        gene_id=np.array([*table["gene_id"], *CAR_FEATURES], dtype=object),
        symbol=np.array([*table["symbol"], *CAR_FEATURES], dtype=object),
        blood=blood,
        dispersion=_dispersion(
            np.append(table["dispersion"].to_numpy(float), [0.5] * extra), overall
        ),
        donor_sd=_donor_sd(np.append(table["donor_sd"].to_numpy(float), [0.0] * extra), overall),
        ifn=np.append(table["ifn"].to_numpy(float), np.zeros(extra)),
        programs={
            str(name): np.array([position[g] for g in genes])
            for name, genes in sets.groupby("program", sort=False)["gene"]
        },
        position=position,
    )


def _dispersion(measured: np.ndarray, mean: np.ndarray) -> np.ndarray:
    # moments of single genes are noisy where few molecules were seen: they count for less there
    known = np.isfinite(measured) & (measured > 0)
    typical = np.where(mean > FREQUENT, 0.1, 0.3)
    out = typical.copy()
    weight = np.where(mean > FREQUENT, 0.6, 0.5)[known]
    log = np.log(np.clip(measured[known], 0.03, 3))
    out[known] = np.exp(weight * log + (1 - weight) * np.log(typical[known]))
    return np.clip(out, 0.05, 1.5)


def _donor_sd(measured: np.ndarray, mean: np.ndarray) -> np.ndarray:
    typical = np.where(mean > FREQUENT, 0.18, 0.28)
    known = np.isfinite(measured)
    out = typical.copy()
    out[known] = 0.5 * np.clip(measured[known], 0.05, 1.0) + 0.5 * typical[known]
    out[-len(CAR_FEATURES) :] = 0.1
    return out


def _set(profile: np.ndarray, values: dict[str, float], ref: Reference) -> np.ndarray:
    for gene, value in values.items():
        profile[ref.position[gene]] = value
    return profile


def _scale(profile: np.ndarray, factors: dict[str, float], ref: Reference) -> np.ndarray:
    for gene, factor in factors.items():
        profile[ref.position[gene]] *= factor
    return profile


def _normal(profile: np.ndarray) -> np.ndarray:
    return profile / profile.sum() * MILLION


@lru_cache(maxsize=1)
def states() -> dict[tuple[str, str, bool], np.ndarray]:
    """Return resting profiles in counts per million.

    Returns
    -------
    Profiles by (cell type, T-cell subset, whether of an infusion product). Every array has the
    length of :attr:`Reference.symbol` and sums to a million; CAR transcripts are zero.
    """
    ref = reference()
    out: dict[tuple[str, str, bool], np.ndarray] = {}
    for name, recipe in m.CELL_TYPES.items():
        profile = sum(w * ref.blood[b] for b, w in recipe.blood.items())
        profile = _set(_scale(np.array(profile), recipe.times, ref), recipe.cpm, ref)
        out[name, "", False] = _normal(profile)
        out[name, "", True] = out[name, "", False]
    for subset, recipe in m.T_SUBSETS.items():
        profile = np.array(sum(w * ref.blood[b] for b, w in recipe.blood.items()))
        _set(profile, m.T_COMMON, ref)
        _set(profile, m.T_LINEAGE[subset[:3] if subset != "Treg" else "CD4"], ref)
        _set(_scale(profile, recipe.times, ref), recipe.cpm, ref)
        out["T", subset, False] = _normal(profile)
        cultured = profile * _culture(ref)
        _set(_scale(cultured, m.ACTIVATED_TIMES, ref), m.ACTIVATED_CPM, ref)
        out["T", subset, True] = _normal(cultured)
    return out


def _culture(ref: Reference) -> np.ndarray:
    # weeks in culture move nearly every gene a little, in the same way in every product
    return np.exp(np.random.default_rng(1107).normal(0, 0.35, len(ref.symbol)))


def cycling_factor(phase: str) -> np.ndarray:
    """Return what a phase adds (counts per million) to a resting profile."""
    ref = reference()
    add = np.zeros(len(ref.symbol))
    rng = np.random.default_rng(97)
    spread = {
        name: np.exp(rng.normal(0, 0.6, len(ref.programs[name])))
        for name in ("s_phase", "g2m_phase", "proliferation")
    }
    main, other = ("s_phase", "g2m_phase") if phase == "S" else ("g2m_phase", "s_phase")
    add[ref.programs[main]] += 120 * spread[main]
    add[ref.programs[other]] += 20 * spread[other]
    add[ref.programs["proliferation"]] += 45 * spread["proliferation"]
    for gene, value in m.CYCLING_CPM.items():
        add[ref.position[gene]] += value
    return add
