"""Stand-in until the room is furnished."""
from cartscope.tl._composition import composition, composition_fractions
from cartscope.tl._composition_tests import COMPOSITION_TESTS, CompositionTest
from cartscope.tl._cycling import cycling, cycling_fractions
from cartscope.tl._gsea import gene_set_overlap, gsea
from cartscope.tl._leiden import leiden
from cartscope.tl._ligand_receptor import ligand_receptor
from cartscope.tl._ligrec_scores import (
    LIGAND_RECEPTOR_SCORES,
    LigandReceptorScores,
    ligand_receptor_scores,
)
from cartscope.tl._annotate import Markers, Threshold, annotate
from cartscope.tl._car_audit import car_audit
from cartscope.tl._car_status import CarRule, car_status
from cartscope.tl._cell_cycle import cell_cycle
from cartscope.tl._score_genes import score_genes
from cartscope.tl._signatures import signature_table, signatures
from cartscope.tl._t_subsets import Gates, t_subsets
from cartscope.tl.de import (
    DE_ENGINES,
    DifferentialExpressionFit,
    EstimabilityReport,
    differential_expression,
    estimability,
    fit_differential_expression,
)
