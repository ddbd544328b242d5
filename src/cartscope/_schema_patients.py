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

GENE_SET_PATIENTS = Schema(
    "gene_set_patients.csv",
    {
        **OF_CONTRAST,
        "side": (TEXT, "group or reference"),
        "patient": (TEXT, "patient"),
        "gene_set": (TEXT, "gene set"),
        "score": (NUMBER, "mean z of log2 counts per million over the rows of the contrast"),
        "tocilizumab_before_sample": (TEXT, "true, false or unknown"),
        "steroid_before_sample": (TEXT, "true, false or unknown"),
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
}
COMPOSITION = Schema("composition.csv", _PATIENT_TEST)
CYCLING = Schema("cycling.csv", _PATIENT_TEST)

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

ESTIMABILITY = Schema(
    "estimability.csv",
    {
        "design": (TEXT, "formula"),
        "contrast": (TEXT, "plain name of the contrast, empty for the design alone"),
        "kind": (TEXT, "cell, aliased, coefficient, contrast, not separable or blurred by"),
        "name": (TEXT, "cell, coefficient, contrast or term"),
        "n_patients": (
            INTEGER,
            "patients in the cell or with a weight; -1 where it has no meaning",
        ),
        "patients": (TEXT, "who they are"),
        "note": (TEXT, "what is wrong, or who has weight 0"),
    },
)

GENE_FILTER = Schema(
    "gene_filter.csv",
    {
        **OF_CONTRAST,
        "preset": (TEXT, "recommended or published"),
        "rule": (TEXT, "by_expression or cpm"),
        "n_genes": (INTEGER, "genes with a count in these profiles"),
        "n_tested": (INTEGER, "genes that passed"),
        "n_dropped": (INTEGER, "genes with too few counts"),
    },
)

FITS = Schema(
    "fits.csv",
    {
        **OF_CONTRAST,
        "preset": (TEXT, "recommended or published"),
        "fit": (TEXT, "fit of contrasts.toml, or the contrast's own id"),
        "design": (TEXT, "formula of the model; `group` is the outcome"),
        "term": (TEXT, "what of the model the contrast is"),
        "n_profiles": (INTEGER, "profiles that the model was fitted to"),
        "caveat": (TEXT, "what the contrast cannot be told apart from, from contrasts.toml"),
        "note": (TEXT, "what was left out of the model and why"),
    },
)

DE = Schema(
    "de.csv",
    {
        **OF_CONTRAST,
        "gene": (TEXT, "symbol"),
        "base_mean": (NUMBER, "mean of normalised counts"),
        "log2_fc": (NUMBER, "log2(group / reference)"),
        "se": (NUMBER, "standard error of log2_fc"),
        "stat": (NUMBER, "Wald z, moderated t or U; sign follows log2_fc"),
        "p_value": (NUMBER, "two-sided, unadjusted"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the contrast"),
        "reason": (TEXT, "why a value is missing"),
    },
    optional=frozenset({"reason"}),
)

ENGINE_COMPARISON = Schema(
    "engine_comparison.csv",
    {
        **OF_CONTRAST,
        "a": (TEXT, "first engine"),
        "b": (TEXT, "second engine"),
        "n_genes": (INTEGER, "genes with a statistic in both"),
        "n_a": (INTEGER, "genes called by a"),
        "n_b": (INTEGER, "genes called by b"),
        "n_both": (INTEGER, "genes called by both"),
        "jaccard": (NUMBER, "n_both / genes called by either; nan where there are none"),
        "rank_correlation": (NUMBER, "Spearman's, of the statistics"),
        "n_opposite_sign": (INTEGER, "genes called by either whose effects have opposite signs"),
        "verdict": (TEXT, "the same in words"),
    },
)

ENGINE_DISAGREEMENT = Schema(
    "engine_disagreement.csv",
    {
        **OF_CONTRAST,
        "gene": (TEXT, "symbol"),
        "called_by": (TEXT, "the engine that calls it"),
        "log2_fc_a": (NUMBER, "log2(group / reference), first engine"),
        "log2_fc_b": (NUMBER, "second engine"),
        "se_a": (NUMBER, "standard error, first engine"),
        "se_b": (NUMBER, "second engine"),
        "p_value_a": (NUMBER, "unadjusted, first engine"),
        "p_value_b": (NUMBER, "second engine"),
        "fdr_a": (NUMBER, "adjusted, first engine"),
        "fdr_b": (NUMBER, "second engine"),
        "why": (TEXT, "the first reason that accounts for it"),
    },
)

GSEA = Schema(
    "gsea.csv",
    {
        **OF_CONTRAST,
        "gene_set": (TEXT, "name of the set"),
        "size": (INTEGER, "genes of the set in the ranking"),
        "es": (NUMBER, "enrichment score"),
        "nes": (NUMBER, "normalised enrichment score"),
        "p_value": (NUMBER, "gene-permutation p: ignores correlation between genes"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the contrast"),
        "leading_edge": (TEXT, "genes, separated by semicolons"),
        "reason": (TEXT, "why a value is missing"),
        "note": (TEXT, "how to read a set that claims rest on, and what it shares with others"),
    },
    optional=frozenset({"reason", "note"}),
)

GENE_SET_OVERLAP = Schema(
    "gene_set_overlap.csv",
    {
        "set_a": (TEXT, "set of the study"),
        "set_b": (TEXT, "another set of the study"),
        "size_a": (INTEGER, "genes of the first"),
        "size_b": (INTEGER, "genes of the second"),
        "shared": (INTEGER, "genes in both"),
        "jaccard": (NUMBER, "shared genes over all of both, 0-1"),
        "contained": (NUMBER, "share of the smaller set that is in the other, 0-1"),
        "genes": (TEXT, "the shared genes, separated by semicolons"),
    },
)

GENE_SET_SCORES = Schema(
    "gene_set_scores.csv",
    {
        **OF_CONTRAST,
        "gene_set": (TEXT, "name of the set"),
        "size": (INTEGER, "genes of the set that vary between the patients"),
        **GROUPS,
        **MEDIANS,
        "effect": (NUMBER, "group minus reference: median of all differences of mean z"),
        "ci_low": (NUMBER, "95% interval of effect, lower end"),
        "ci_high": (NUMBER, "95% interval of effect, upper end"),
        "u": (NUMBER, "Mann-Whitney U of the group; signed-rank V where patients are paired"),
        **P_VALUES,
        **FAMILY,
        **REASON,
        "note": (TEXT, "how to read the set, and what it shares with others"),
    },
    optional=frozenset({"note"}),
)

OVER_REPRESENTATION = Schema(
    "over_representation.csv",
    {
        **OF_CONTRAST,
        "gene_set": (TEXT, "name of the set"),
        "size": (INTEGER, "genes of the set in the universe"),
        "overlap": (INTEGER, "genes of the set among the chosen ones"),
        "fold_enrichment": (NUMBER, "overlap divided by what chance gives"),
        "p_value": (NUMBER, "hypergeometric, upper tail: ignores correlation between genes"),
        "fdr": (NUMBER, "Benjamini-Hochberg over all sets, within contrast and direction"),
        "genes": (TEXT, "the overlap, separated by semicolons"),
        **REASON,
        "direction": (TEXT, "up or down: genes that pass and change so"),
    },
    optional=frozenset({"direction"}),
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
        "databases": (TEXT, "resources that hold the pair"),
        "family": (TEXT, "primary: named before looking; exploratory: the other candidates"),
        "effect": (NUMBER, "rank-biserial correlation, -1 to 1"),
        "candidates": (TEXT, "how candidates were chosen, and what that does to q"),
    },
    optional=frozenset({"databases", "family", "effect", "candidates"}),
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
        "t": (NUMBER, "interaction over its standard error, on ranks"),
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
