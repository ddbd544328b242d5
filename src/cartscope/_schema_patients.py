"""Column contracts of the tables between patients; import them from ``_schema``."""

from __future__ import annotations

from cartscope._schema_columns import (
    FAMILY,
    GROUPS,
    INTEGER,
    MEDIANS,
    NUMBER,
    OF_CONTRAST,
    P_VALUES,
    REASON,
    STRATA,
    TEXT,
    Schema,
)

CONTRASTS = Schema(
    "contrasts.csv",
    {
        **OF_CONTRAST,
        "analysis": (TEXT, "de, gsea, composition, cycling or ligrec"),
        "population": (TEXT, "population of contrasts.toml"),
        **GROUPS,
        "group_patients": (TEXT, "patients, separated by spaces"),
        "reference_patients": (TEXT, "patients, separated by spaces"),
        "status": (TEXT, "tested or not testable"),
        **REASON,
    },
)

PATIENT_SHARES = Schema(
    "patients",
    {
        **OF_CONTRAST,
        "side": (TEXT, "group or reference"),
        "patient": (TEXT, "patient"),
        "population": (TEXT, "cell type or T-cell subset"),
        "car_status": (TEXT, "positive, negative, unknown or all"),
        "fraction": (NUMBER, "0-1"),
        "n": (INTEGER, "cells in the numerator"),
        "n_cells": (INTEGER, "cells in the denominator"),
    },
)

_PATIENT_TEST = {
    **OF_CONTRAST,
    "population": (TEXT, "cell type or T-cell subset"),
    "car_status": (TEXT, "positive, negative, unknown or all"),
    **GROUPS,
    **MEDIANS,
    "u": (NUMBER, "Mann-Whitney U of the group"),
    **P_VALUES,
    **FAMILY,
    **REASON,
    **STRATA,
}
COMPOSITION = Schema("composition.csv", _PATIENT_TEST, optional=frozenset(STRATA))
CYCLING = Schema("cycling.csv", _PATIENT_TEST, optional=frozenset(STRATA))

CORRECTED = Schema(
    "corrected.csv",
    {
        "analysis": (TEXT, "composition or cycling"),
        **_PATIENT_TEST,
        "missed_group": (NUMBER, "median share of missed CAR T cells among CAR-, group"),
        "missed_reference": (NUMBER, "median share of missed CAR T cells among CAR-, reference"),
        "se_group": (NUMBER, "median standard error of a patient's corrected share, group"),
        "se_reference": (NUMBER, "median standard error of a patient's corrected share, reference"),
        "method": (TEXT, "detection: missed cells by depth; as found: like found CAR+ cells; both"),
        "n_clipped": (
            INTEGER,
            "patients whose share came out below 0 or above 1 and was put there",
        ),
        "n_lost": (INTEGER, "patients with CAR- cells whose share could not be corrected"),
    },
    optional=frozenset(
        {
            *STRATA,
            "missed_group",
            "missed_reference",
            "se_group",
            "se_reference",
            "method",
            "n_clipped",
            "n_lost",
        }
    ),
)
CORRECTED_PATIENTS = Schema(
    "corrected_patients.csv",
    {
        "analysis": (TEXT, "composition or cycling"),
        **PATIENT_SHARES.columns,
        "observed": (NUMBER, "share among CAR- cells, missed CAR T cells included"),
        "se": (NUMBER, "standard error of fraction; nan: not known"),
        "missed_share": (NUMBER, "estimated CAR T cells among the CAR- cells, 0-1"),
        "missed_low": (NUMBER, "lower end of its 95% interval; nan: not known"),
        "missed_high": (NUMBER, "upper end"),
        "clipped": (INTEGER, "1: fraction came out below 0 or above 1 and was put there"),
        "method": (TEXT, "detection, as found, or empty where nothing could be corrected"),
        "reason": (TEXT, "why fraction is missing, or why it rests on found cells"),
    },
)

LIGREC = Schema(
    "ligrec.csv",
    {
        **OF_CONTRAST,
        "source": (TEXT, "sending population"),
        "target": (TEXT, "receiving population"),
        "ligand": (TEXT, "ligand, subunits joined by _"),
        "receptor": (TEXT, "receptor, subunits joined by _"),
        **GROUPS,
        **MEDIANS,
        "log2_change": (NUMBER, "log2 of the ratio of the medians"),
        "u": (NUMBER, "Mann-Whitney U of the group"),
        **P_VALUES,
        **FAMILY,
        **REASON,
        **STRATA,
        "databases": (TEXT, "resources that hold the pair"),
        "family": (TEXT, "primary: named before looking; exploratory: the other candidates"),
        "effect": (NUMBER, "rank-biserial correlation, -1 to 1"),
        "candidates": (TEXT, "how candidates were chosen, and what that does to q"),
    },
    optional=frozenset({*STRATA, "databases", "family", "effect", "candidates"}),
)

LIGREC_PATIENTS = Schema(
    "ligrec_patients.csv",
    {
        **OF_CONTRAST,
        "side": (TEXT, "group or reference"),
        "patient": (TEXT, "patient"),
        "source": (TEXT, "sending population"),
        "target": (TEXT, "receiving population"),
        "ligand": (TEXT, "ligand, subunits joined by _"),
        "receptor": (TEXT, "receptor, subunits joined by _"),
        "score": (NUMBER, "nan where not estimable"),
        "status": (TEXT, "scored, zero or not estimable"),
        "n_source": (INTEGER, "cells of the source"),
        "n_target": (INTEGER, "cells of the target"),
    },
)

LIGREC_INTERACTION = Schema(
    "ligrec_interaction.csv",
    {
        **OF_CONTRAST,
        "source": (TEXT, "sending population"),
        "target": (TEXT, "receiving population"),
        "ligand": (TEXT, "ligand, subunits joined by _"),
        "receptor": (TEXT, "receptor, subunits joined by _"),
        "n_group_first": (INTEGER, "patients in the group, first arm"),
        "n_reference_first": (INTEGER, "patients in the reference, first arm"),
        "n_group_second": (INTEGER, "patients in the group, second arm"),
        "n_reference_second": (INTEGER, "patients in the reference, second arm"),
        "change_first": (NUMBER, "group minus reference in the first arm, mean score"),
        "change_second": (NUMBER, "group minus reference in the second arm, mean score"),
        "t": (NUMBER, "interaction over its standard error, on aligned ranks"),
        "p_value": (NUMBER, "two-sided, by permuting residuals within arms"),
        "fdr": (NUMBER, "Benjamini-Hochberg over the rows of the same patients"),
        "family_size": (INTEGER, "tests that fdr corrects for"),
        "min_p": (NUMBER, "smallest p that these permutations can give"),
        "test": (TEXT, "what was permuted how often"),
        "patients": (TEXT, "all, or those of every study and arm that has both groups"),
        "caveat": (TEXT, "what the interaction cannot be told from"),
        **REASON,
    },
    optional=frozenset({"patients", "caveat"}),
)

LIGREC_CANDIDATES = Schema(
    "ligrec_candidates.csv",
    {
        **OF_CONTRAST,
        "preset": (TEXT, "whose rule and limits"),
        "rule": (TEXT, "how candidates are chosen: expression or de"),
        **GROUPS,
        "n_considered": (INTEGER, "pairs whose genes are all in the data"),
        "n_candidates": (INTEGER, "pairs tested between at least one two populations"),
        "n_significant": (INTEGER, "candidates with q below alpha between at least one two"),
        "family_size": (INTEGER, "tests of the one family, pairs times pairs of populations"),
        "min_p": (NUMBER, "smallest p that any of these tests can give"),
        "lone_q": (NUMBER, "smallest q that one test at its floor can reach alone"),
        "n_at_floor": (INTEGER, "tests that must lie at the floor of untied scores for q < alpha"),
        "caveat": (TEXT, "what the rule does to q"),
        **REASON,
    },
)
