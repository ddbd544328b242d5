"""Methods on cells (what each is) and on patients (what differs between them).

Annotators write documented slots in place; testers return a table and leave their input alone.
"""

from cartscope.tl._annotate import Markers, Threshold, annotate
from cartscope.tl._car_audit import car_audit
from cartscope.tl._car_detection import car_detection
from cartscope.tl._car_rule import CarRule
from cartscope.tl._car_status import car_status
from cartscope.tl._cell_cycle import cell_cycle
from cartscope.tl._composition import composition, composition_fractions
from cartscope.tl._composition_tests import COMPOSITION_TESTS, CompositionTest
from cartscope.tl._cycling import cycling, cycling_fractions
from cartscope.tl._gene_set_patient_test import (
    gene_set_patient_scores,
    gene_set_patient_test,
)
from cartscope.tl._gene_sets import gene_set_overlap
from cartscope.tl._gsea import gsea
from cartscope.tl._innate_fractions import innate_fractions
from cartscope.tl._leiden import leiden
from cartscope.tl._liana import liana_rank_aggregate
from cartscope.tl._ligand_receptor import ligand_receptor
from cartscope.tl._ligrec_interaction import ligand_receptor_interaction
from cartscope.tl._ligrec_scores import (
    LIGAND_RECEPTOR_SCORES,
    LigandReceptorScores,
    ligand_receptor_scores,
)
from cartscope.tl._ligrec_test import ligand_receptor_test
from cartscope.tl._missed_car import compare_fractions, correct_missed
from cartscope.tl._over_representation import over_representation
from cartscope.tl._score_genes import score_genes
from cartscope.tl._signatures import signature_table, signatures
from cartscope.tl._t_subsets import Gates, t_subsets
from cartscope.tl.de import (
    DE_ENGINES,
    DifferentialExpressionFit,
    EstimabilityReport,
    compare_engines,
    differential_expression,
    dispersion_by_group,
    estimability,
    fit_differential_expression,
    interaction_effects,
    quasi_likelihood_fit,
    shrink_lfc,
)

__all__ = [
    # cells
    "leiden",
    "annotate",
    "Markers",
    "Threshold",
    "t_subsets",
    "Gates",
    "car_status",
    "CarRule",
    "car_detection",
    "car_audit",
    "cell_cycle",
    "score_genes",
    "signatures",
    "signature_table",
    # patients
    "composition",
    "composition_fractions",
    "COMPOSITION_TESTS",
    "CompositionTest",
    "cycling",
    "cycling_fractions",
    "innate_fractions",
    "correct_missed",
    "compare_fractions",
    "differential_expression",
    "fit_differential_expression",
    "dispersion_by_group",
    "DifferentialExpressionFit",
    "DE_ENGINES",
    "estimability",
    "EstimabilityReport",
    "interaction_effects",
    "quasi_likelihood_fit",
    "shrink_lfc",
    "compare_engines",
    "gsea",
    "gene_set_overlap",
    "gene_set_patient_test",
    "gene_set_patient_scores",
    "over_representation",
    "ligand_receptor",
    "ligand_receptor_test",
    "ligand_receptor_interaction",
    "ligand_receptor_scores",
    "LigandReceptorScores",
    "LIGAND_RECEPTOR_SCORES",
    "liana_rank_aggregate",
]
