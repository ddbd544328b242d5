"""What is planted: a rule per claim about GEO data, with the patients and cells it touches.

A rule adds ``log2`` times the patient's dose to the log2 expression of its genes in the cells it
names. Composition and cycling are planted in :mod:`cartscope.simulate._deal`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cartscope import _keys as k
from cartscope.simulate._design import COMPARATOR, NEW, Patient
from cartscope.simulate._markers import GLUCOCORTICOID
from cartscope.simulate._profiles import reference

if TYPE_CHECKING:
    from collections.abc import Callable

CYTOTOXIC_SUBSETS = ("CD4 CTL", "CD8 EM", "CD8 TEMRA")


@dataclass(frozen=True)
class Where:
    """The cells that a rule touches; an empty tuple stands for all."""

    timepoint: str = k.timepoints.day7
    cell_type: str = "T"
    subsets: tuple[str, ...] = ()
    lineage: str = ""
    car: bool | None = None

    def holds(self, state: State) -> bool:
        """Whether cells of that state are meant."""
        return (
            state.timepoint == self.timepoint
            and state.cell_type == self.cell_type
            and (not self.subsets or state.t_subset in self.subsets)
            and (not self.lineage or state.t_lineage == self.lineage)
            and (self.car is None or state.car == self.car)
        )


@dataclass(frozen=True)
class State:
    """What kind of cell it is: everything that its expected expression depends on."""

    timepoint: str
    cell_type: str
    t_subset: str = ""
    car: bool = False
    phase: str = "G1"

    @property
    def t_lineage(self) -> str:
        """CD4, CD8 or empty; regulatory T cells are CD4."""
        if not self.t_subset:
            return ""
        return "CD8" if self.t_subset.startswith("CD8") else "CD4"


@dataclass(frozen=True)
class Rule:
    """One planted effect, with the rows that tell of it in ``truth/effects.csv``."""

    claim: str
    features: tuple[str, ...]  # as the claim spells them
    genes: tuple[str, ...]  # genes, or "set:NAME" for a packaged program
    log2: float
    where: Where
    dose: Callable[[Patient], float]
    told: tuple[tuple[str, str], ...]  # (population, contrast), contrast empty for a ranking
    spread: float = 0.0  # gene to gene, as a share of log2, for sets
    extra: dict[str, float] = field(default_factory=dict)  # gene -> own log2


def _always(_: Patient) -> float:
    return 1.0


def _crs(patient: Patient) -> float:
    return float(patient.crs_high)


def crs_anakinra(patient: Patient) -> float:
    return float(patient.crs_high and patient.anakinra)


def _crs_comparator(patient: Patient) -> float:
    return float(patient.crs_high and patient.study == COMPARATOR)


def _anakinra_low(patient: Patient) -> float:
    return float(patient.anakinra and not patient.crs_high and patient.study == NEW)


def _steroid(patient: Patient) -> float:
    return float(patient.steroid)


def _nt_anakinra(patient: Patient) -> float:
    return float(patient.nt_high and patient.anakinra)


_MONO = Where(cell_type="CD14 monocyte")
_IP4 = Where(timepoint=k.timepoints.infusion_product, lineage="CD4")
_IP8 = Where(timepoint=k.timepoints.infusion_product, lineage="CD8")
_CTL = Where(subsets=("CD4 CTL",))

RULES = (
    Rule("ip-il4-il10-gsea", ("IL-4 signalling",), ("set:il4_il13",), -0.55, _IP4, _crs_comparator,
         (("cd4", "ip_cd4_crs_no_anakinra"),), spread=0.3),
    Rule("ip-il4-il10-gsea", ("IL-10 signalling",), ("set:il10",), -0.7, _IP4, _crs_comparator,
         (("cd4", "ip_cd4_crs_no_anakinra"),), spread=0.3),
    Rule("ip-il4-il10-gsea", ("IL-4 signalling",), ("set:il4_il13",), -0.55, _IP8, _crs_comparator,
         (("cd8", "ip_cd8_crs_no_anakinra"),), spread=0.3),
    Rule("ip-il4-il10-gsea", ("IL-10 signalling",), ("set:il10",), -0.7, _IP8, _crs_comparator,
         (("cd8", "ip_cd8_crs_no_anakinra"),), spread=0.3),
    Rule("il4-genes-fall-by-day7", ("IL13",), ("IL13",), -6.6, Where(), _always,
         (("t", "t_day7_vs_product"),)),
    Rule("il4-genes-fall-by-day7", ("IL4I1",), ("IL4I1",), -6.0, Where(), _always,
         (("t", "t_day7_vs_product"),)),
    Rule("il10-set-rises-by-day7", ("IL-10 signalling",), ("set:il10",), 0.9, Where(), _always,
         (("t", "t_day7_vs_product"),), spread=0.3),
    Rule("il4-il10-in-cd4-ctl", ("IL4",), ("IL4",), 6.0, _CTL, _always, (("CD4 CTL", ""),)),
    Rule("il4-il10-in-cd4-ctl", ("IL10",), ("IL10",), 5.5, _CTL, _always, (("CD4 CTL", ""),)),
    Rule("il10-with-anakinra", ("IL10",), ("IL10",), 3.0, Where(subsets=("CD4 CTL",), car=True),
         _anakinra_low, (("car_pos_cd4_ctl", "ctl_anakinra_low_crs"),)),
    Rule("anakinra-il4-il13-il18-gsea", ("IL-4 and IL-13 signalling",), ("set:il4_il13",), 0.6,
         Where(subsets=("CD4 CTL",), car=True), _anakinra_low,
         (("car_pos_cd4_ctl", "ctl_anakinra_low_crs"),), spread=0.3),
    Rule("anakinra-il4-il13-il18-gsea", ("IL-18 signalling",), ("set:il18",), 1.2,
         Where(subsets=("CD4 CTL",), car=True), _anakinra_low,
         (("car_pos_cd4_ctl", "ctl_anakinra_low_crs"),), spread=0.3),
    Rule("nt-cd8-proliferation-de", ("CCNB2", "TUBB6", "RAD51"), ("CCNB2", "TUBB6", "RAD51"), 1.5,
         Where(lineage="CD8", car=False), _nt_anakinra,
         (("car_neg_cd8", "car_neg_cd8_nt_anakinra"),)),
    Rule("monocyte-shared-up", ("C1QA", "C1QB", "C1QC", "MRC1", "TMEM176A", "TMEM176B"),
         ("C1QA", "C1QB", "C1QC", "MRC1", "TMEM176A", "TMEM176B"), 2.2, _MONO, _crs,
         (("cd14_monocyte", "mono_crs_anakinra"), ("cd14_monocyte", "mono_crs_no_anakinra"))),
    Rule("monocyte-il1-down", ("IL1B", "CCL3", "CCL4"), ("IL1B", "CCL3", "CCL4"), -2.2, _MONO, _crs,
         (("cd14_monocyte", "mono_crs_anakinra"), ("cd14_monocyte", "mono_crs_no_anakinra"))),
    Rule("monocyte-anakinra-only", ("IFI35", "IFITM1", "IFIT2", "CXCL10", "RETN"),
         ("IFI35", "IFITM1", "IFIT2", "CXCL10", "RETN"), 2.8, _MONO, crs_anakinra,
         (("cd14_monocyte", "mono_crs_anakinra"), ("cd14_monocyte", "mono_crs_interaction"))),
    Rule("monocyte-anakinra-only", ("interferon signalling",), ("set:ifn_alpha",), 0.7, _MONO,
         crs_anakinra, (("cd14_monocyte", "mono_crs_anakinra"),), spread=0.3),
    Rule("ifng-source-and-response", ("IFNG",), ("IFNG",), 3.0,
         Where(subsets=CYTOTOXIC_SUBSETS, car=True), _always,
         (("CD4 CTL", ""), ("CD8 EM", ""), ("CD8 TEMRA", ""))),
    Rule("ifng-source-and-response", ("IFN-gamma response score",), ("set:ifn_gamma",), 0.6, _MONO,
         _always, (("CD14 monocyte", ""),), spread=0.3),
    # no claim, but what makes grade and treatment hard to tell apart: no rows in effects.csv
    Rule("steroid before the sample", (), GLUCOCORTICOID, 1.2, _MONO, _steroid,
         (("cd14_monocyte", ""),)),
)  # fmt: skip


def positions(rule: Rule) -> np.ndarray:
    """Positions of a rule's genes; a set leaves out those that a rule of the same contrast names.

    Otherwise a gene that a claim names would get more than the claim's effect.
    """
    ref = reference()
    named = {
        ref.position[gene]
        for other in RULES
        if set(other.told) & set(rule.told)
        for gene in other.genes
        if not gene.startswith("set:")
    }
    out: list[int] = []
    for gene in rule.genes:
        if gene.startswith("set:"):
            out.extend(i for i in ref.programs[gene[4:]].tolist() if i not in named)
        else:
            out.append(ref.position[gene])
    return np.array(out, dtype=np.int64)


def gene_effects(patient: Patient, state: State, strength: float) -> np.ndarray:
    """Return the planted log2 change of every gene for one patient's cells of one state.

    Parameters
    ----------
    patient
        Whose cells.
    state
        Which cells.
    strength
        Factor on every planted effect; 0 plants nothing.
    """
    change = np.zeros(len(reference().symbol))
    if strength == 0:
        return change
    for number, rule in enumerate(RULES):
        dose = rule.dose(patient)
        if dose and rule.where.holds(state):
            at = positions(rule)
            change[at] += strength * dose * rule.log2 * spread(rule, number, len(at))
    return change


def spread(rule: Rule, number: int, size: int) -> np.ndarray:
    """Gene-to-gene factors of a rule, the same in every patient, with mean near 1."""
    if not rule.spread:
        return np.ones(size)
    return 1 + rule.spread * np.random.default_rng([404, number]).normal(size=size)
