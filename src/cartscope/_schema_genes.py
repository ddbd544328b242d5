"""Column contracts of the tables about genes and gene sets; import them from ``_schema``."""

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
        "df": (NUMBER, "degrees of freedom of a t, inf for a normal z, nan for a rank test"),
        "p_value": (NUMBER, "two-sided, unadjusted"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the contrast"),
        "reason": (TEXT, "why a value is missing"),
    },
    optional=frozenset({"df", "reason"}),
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
        **STRATA,
        "note": (TEXT, "how to read the set, and what it shares with others"),
    },
    optional=frozenset({*STRATA, "note"}),
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
