"""The planted effects as tables, contrast by contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cartscope.simulate._deal import composition_dose, logit
from cartscope.simulate._design import COMPARATOR, NEW, Patient, patients
from cartscope.simulate._effects import RULES, crs_anakinra, positions, spread
from cartscope.simulate._profiles import reference

if TYPE_CHECKING:
    from collections.abc import Callable

_RECEIVERS = ("car_pos_cd4", "car_pos_cd8", "car_neg_cd4", "car_neg_cd8")
# told in effects.csv only: what other rules bring about
_TOLD = (
    ("monocyte-nt-trend", ("IFI35", "IFITM1", "IFIT2", "CXCL10", "RETN"), 2.8, crs_anakinra,
     (("cd14_monocyte", "mono_nt_anakinra"),)),
    ("lr-cxcl10", ("CXCL10_CXCR3", "CXCL10_DPP4"), 2.8, crs_anakinra,
     tuple((f"cd14_monocyte>{r}", c) for c in ("ligrec_crs_anakinra", "ligrec_nt_anakinra")
           for r in _RECEIVERS)),
    ("lr-retn-cap1", ("RETN_CAP1",), 2.8, crs_anakinra,
     tuple((f"cd14_monocyte>{r}", c) for c in ("ligrec_crs_anakinra", "ligrec_nt_anakinra")
           for r in (*_RECEIVERS, "cd14_monocyte"))),
)  # fmt: skip

_GROUPS: dict[str, tuple[Callable[[Patient], bool], Callable[[Patient], bool]]] = {
    "crs": (lambda _: True, lambda p: p.crs_high),
    "crs_anakinra": (lambda p: p.anakinra, lambda p: p.crs_high),
    "crs_no_anakinra": (lambda p: not p.anakinra, lambda p: p.crs_high),
    "crs_comparator": (lambda p: p.study == COMPARATOR, lambda p: p.crs_high),
    "nt_anakinra": (lambda p: p.anakinra, lambda p: p.nt_high),
    "toxicity_anakinra": (lambda p: p.anakinra, lambda p: p.toxic),
    "anakinra_low": (lambda p: p.study == NEW and not p.crs_high, lambda p: p.anakinra),
}
_CONTRASTS = {
    "mono_crs_anakinra": "crs_anakinra",
    "mono_crs_no_anakinra": "crs_no_anakinra",
    "mono_nt_anakinra": "nt_anakinra",
    "ligrec_crs_anakinra": "crs_anakinra",
    "ligrec_nt_anakinra": "nt_anakinra",
    "ip_cd4_crs_no_anakinra": "crs_comparator",
    "ip_cd8_crs_no_anakinra": "crs_comparator",
    "ctl_anakinra_low_crs": "anakinra_low",
    "car_neg_cd8_nt_anakinra": "nt_anakinra",
    "composition_crs_no_anakinra": "crs_comparator",
    "composition_crs_anakinra": "crs_anakinra",
    "cycling_car_neg_anakinra": "toxicity_anakinra",
    "cycling_car_pos_anakinra": "toxicity_anakinra",
}


def difference(contrast: str, dose: Callable[[Patient], float]) -> float:
    """Return the mean dose of a contrast's group minus that of its reference.

    Parameters
    ----------
    contrast
        Id in contrasts.toml; rankings (empty) and contrasts within patients have a difference
        of one.
    dose
        What a patient gets of the effect.
    """
    if contrast == "mono_crs_interaction":
        return difference("mono_crs_anakinra", dose) - difference("mono_crs_no_anakinra", dose)
    if contrast not in _CONTRASTS:
        return 1.0
    inside, group = _GROUPS[_CONTRASTS[contrast]]
    chosen = [p for p in patients() if inside(p)]
    high = [dose(p) for p in chosen if group(p)]
    low = [dose(p) for p in chosen if not group(p)]
    return float(np.mean(high) - np.mean(low))


def effects_table(strength: float) -> pd.DataFrame:
    """Return ``truth/effects.csv``: a row per claim, feature, population and contrast.

    Parameters
    ----------
    strength
        Factor on every planted effect; 0 gives a table without rows.

    Returns
    -------
    Columns claim_id, feature, population, contrast, log2_effect. The effect is the difference of
    the two groups' means over patients, so that what one outcome lends another is in it.
    """
    rows: list[tuple[str, str, str, str, float]] = []
    if strength:
        entries = [(r.claim, r.features, r.log2, r.dose, r.told) for r in RULES]
        for claim, features, log2, dose, told in [*entries, *_TOLD]:
            for population, contrast in told:
                size = strength * log2 * difference(contrast, dose)
                rows += [(claim, f, population, contrast, round(size, 4)) for f in features]
        rows += _dealt(strength)
    return pd.DataFrame(
        rows, columns=["claim_id", "feature", "population", "contrast", "log2_effect"]
    )


def genes_table(strength: float) -> pd.DataFrame:
    """Return ``truth/genes.csv``: every gene with a planted change of expression.

    Parameters
    ----------
    strength
        Factor on every planted effect; 0 gives a table without rows.
    """
    ref = reference()
    rows = []
    for number, rule in enumerate(RULES if strength else ()):
        at = positions(rule)
        size = strength * rule.log2 * spread(rule, number, len(at))
        for population, contrast in rule.told:
            share = difference(contrast, rule.dose)
            rows += [
                (rule.claim, ref.symbol[i], population, contrast, round(float(s * share), 4))
                for i, s in zip(at, size, strict=True)
            ]
    return pd.DataFrame(rows, columns=["claim_id", "gene", "population", "contrast", "log2_effect"])


def _dealt(strength: float) -> list[tuple[str, str, str, str, float]]:
    """Rows of ``truth/effects.csv`` about shares: log2 of the odds ratio between the groups."""

    def odds(low: float, high: float) -> float:
        return (logit(high) - logit(low)) / np.log(2)

    def composition(contrast: str, size: float) -> float:
        return round(strength * size * difference(contrast, composition_dose), 4)

    treg, cd8 = odds(0.05, 0.125), odds(0.52, 0.36)
    crs, trend = "composition_crs_no_anakinra", "composition_crs_anakinra"
    return [
        ("composition-treg", "Treg", "car_neg_t", crs, composition(crs, treg)),
        ("composition-cd8", "CD8", "car_neg_t", crs, composition(crs, cd8)),
        ("composition-trend-anakinra", "Treg", "car_neg_t", trend, composition(trend, treg)),
        ("composition-trend-anakinra", "CD8", "car_neg_t", trend, composition(trend, cd8)),
        ("cycling-car-negative", "cycling", "car_neg_t", "cycling_car_neg_anakinra",
         round(strength * odds(0.05, 0.19), 4)),
        ("cycling-car-positive", "cycling", "car_pos_t", "cycling_car_pos_anakinra",
         round(strength * odds(0.26, 0.52), 4)),
    ]  # fmt: skip
