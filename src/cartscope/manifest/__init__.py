"""TOML manifests as validated, frozen records; everything the study knows is read here."""

from ._annotation import Annotation, read_annotation
from ._base import Model, load_toml, manifest_dir
from ._calibration import (
    Calibration,
    CalibrationLevel,
    CalibrationRow,
    read_calibration,
)
from ._claims import Claim, Evidence, read_claims
from ._cohort import Cohort, read_cohort_manifest
from ._contrasts import (
    Condition,
    Contrast,
    Contrasts,
    Fit,
    Outcome,
    Population,
    read_contrasts,
)
from ._gene_sets import GeneSetNote, GeneSetNotes, read_gene_set_notes
from ._geo import GeoSeries, read_geo_series
from ._ligand_receptor import (
    LigandReceptorCandidates,
    LigandReceptorManifest,
    LigandReceptorPair,
    read_ligand_receptor,
)
from ._preset import Preset, read_preset
from ._rules import Rule, read_rules
from ._supplement import Supplement, SupplementTable, read_supplement

__all__ = [
    "Annotation",
    "Calibration",
    "CalibrationLevel",
    "CalibrationRow",
    "Claim",
    "Cohort",
    "Condition",
    "Contrast",
    "Contrasts",
    "Evidence",
    "Fit",
    "GeneSetNote",
    "GeneSetNotes",
    "LigandReceptorCandidates",
    "LigandReceptorManifest",
    "LigandReceptorPair",
    "GeoSeries",
    "Model",
    "Outcome",
    "Population",
    "Preset",
    "Rule",
    "Supplement",
    "SupplementTable",
    "load_toml",
    "manifest_dir",
    "read_annotation",
    "read_calibration",
    "read_claims",
    "read_cohort_manifest",
    "read_contrasts",
    "read_gene_set_notes",
    "read_ligand_receptor",
    "read_geo_series",
    "read_preset",
    "read_rules",
    "read_supplement",
]
