"""Column contracts of the claim ledger and the paper's tables; import them from ``_schema``."""

from __future__ import annotations

from cartscope._schema_columns import GROUPS, INTEGER, NUMBER, OF_CONTRAST, TEXT, Schema

CLAIMS = Schema(
    "claims.csv",
    {
        "id": (TEXT, "id in claims.toml"),
        "panel": (TEXT, "figure, table or passage"),
        "kind": (TEXT, "count, estimate, test, rank or null"),
        "published": (TEXT, "published value(s)"),
        "computed": (TEXT, "computed value(s)"),
        "ci_low": (NUMBER, "interval of a claim with one row, lower end"),
        "ci_high": (NUMBER, "interval of a claim with one row, upper end"),
        "interval": (TEXT, "what kind of interval it is, and where the rows' own stand"),
        "test": (TEXT, "what was tested how"),
        "family": (TEXT, "tests the correction runs over, and how many"),
        **GROUPS,
        "min_p": (NUMBER, "smallest attainable p of the rows"),
        "detectable_effect": (NUMBER, "smallest standardised effect found with 80% power"),
        "influence": (TEXT, "most influential patient and what happens without them"),
        "permutation_p": (
            NUMBER,
            "p within strata, --deep: the largest of a test's rows, the smallest of a null's",
        ),
        "permutation": (TEXT, "how many relabellings, within what; why there are none"),
        "by_recommended": (TEXT, "verdict with the tables of the preset `recommended`"),
        "by_published": (TEXT, "verdict with the tables of the preset `published`"),
        "blanks": (TEXT, "which numbers of this row are empty, and why"),
        "caveats": (TEXT, "what limits the claim"),
        "verdict": (TEXT, "one of the ledger's verdicts"),
        "reason": (TEXT, "why this verdict"),
    },
)

SUPPLEMENT = Schema(
    "supplement.csv",
    {
        "table": (TEXT, "number in the paper's supplement"),
        "says": (TEXT, "what the paper's text says it holds; empty: nothing"),
        "file": (TEXT, "its counterpart of this run; empty: none"),
        "n_rows": (INTEGER, "rows of the counterpart"),
        "holds": (TEXT, "what the counterpart holds"),
        "note": (TEXT, "how that differs from what the text says"),
        "reason": (TEXT, "why there is no counterpart, or no row in it; empty where there is"),
    },
)

CLAIMS_DETAIL = Schema(
    "claims_detail.csv",
    {
        "id": (TEXT, "id in claims.toml"),
        "feature": (TEXT, "gene, set, pair or subset"),
        "table": (TEXT, "kind of evidence in claims.toml"),
        "entry": (TEXT, "what that table calls the row"),
        **OF_CONTRAST,
        "population": (TEXT, "population or pair of populations"),
        "effect": (NUMBER, "signed effect, in the unit of its table"),
        "ci_low": (NUMBER, "interval of the effect, lower end"),
        "ci_high": (NUMBER, "interval of the effect, upper end"),
        "interval": (TEXT, "what kind of interval, or why there is none"),
        "p_value": (NUMBER, "two-sided, unadjusted"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the family"),
        "family_size": (INTEGER, "tests that fdr corrects for"),
        "fdr_claim": (NUMBER, "Benjamini-Hochberg over the claim's own questions"),
        **GROUPS,
        "min_p": (NUMBER, "smallest attainable p"),
        "expected": (TEXT, "up, down or none"),
        "planted": (NUMBER, "planted log2 effect on simulated data; nan on real data"),
        "verdict": (TEXT, "of this feature"),
        "reason": (TEXT, "why"),
        "patient_left_out": (TEXT, "who moves the effect most"),
        "effect_without": (NUMBER, "effect without them"),
        "p_without": (NUMBER, "p without them"),
        "fdr_without": (NUMBER, "fdr without them"),
        "verdict_without": (TEXT, "verdict without them"),
        "permutation_p": (NUMBER, "two-sided p of the patients' labels within strata, --deep"),
        "n_permutations": (INTEGER, "relabellings"),
        "permutation": (
            TEXT,
            "every relabelling or drawn ones, within what; or why there are none",
        ),
        **{
            f"{what}_{preset}": (kind, f"{text} with the tables of the preset `{preset}`")
            for preset in ("recommended", "published")
            for what, kind, text in (
                ("effect", NUMBER, "effect"),
                ("fdr", NUMBER, "fdr"),
                ("verdict", TEXT, "verdict"),
            )
        },
    },
)

SUBSET_DYNAMICS = Schema(
    "subset_dynamics.csv",
    {
        "t_subset": (TEXT, "T-cell subset"),
        **{
            f"{what}_{side}": (NUMBER if what != "n" else INTEGER, f"{text}, {who}")
            for side, who in (("group", "with anakinra"), ("reference", "comparator cohort"))
            for what, text in (
                ("n", "patients with enough cells in a product or at day 7"),
                ("product", "mean share in products"),
                ("day7", "mean share at day 7"),
                ("change", "day 7 less product"),
            )
        },
        "difference": (NUMBER, "change with anakinra less change of the comparator"),
        "ci_low": (NUMBER, "95% interval of difference over patients, lower end"),
        "ci_high": (NUMBER, "95% interval of difference over patients, upper end"),
    },
)

PERMUTATIONS = Schema(
    "permutations.csv",
    {
        "table": (TEXT, "kind of evidence in claims.toml"),
        **OF_CONTRAST,
        "entry": (TEXT, "what that table calls the row"),
        "permutation_p": (NUMBER, "two-sided p among the permuted labels"),
        "n_permutations": (INTEGER, "relabellings, or exchanges within patients"),
        "min_p": (NUMBER, "smallest p that these relabellings can give"),
        "how": (TEXT, "all relabellings or how many drawn ones, and within what"),
        "reason": (TEXT, "why there is no result; empty where there is one"),
    },
)

INFLUENCE = Schema(
    "influence.csv",
    {
        "id": (TEXT, "claim; empty where a contrast's row serves several claims"),
        "table": (TEXT, "kind of evidence in claims.toml"),
        **OF_CONTRAST,
        "entry": (TEXT, "what that table calls the row"),
        "patient_left_out": (TEXT, "patient"),
        "effect": (NUMBER, "effect without them, in the unit of its table"),
        "ci_low": (NUMBER, "interval of the effect, lower end"),
        "ci_high": (NUMBER, "interval of the effect, upper end"),
        "p_value": (NUMBER, "two-sided, unadjusted"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the family, done again"),
        "min_p": (NUMBER, "smallest attainable p"),
        "how": (TEXT, "what was done again"),
        "reason": (TEXT, "why there is no result; empty where there is one"),
    },
)
