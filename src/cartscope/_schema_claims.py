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
        "ci_low": (NUMBER, "95% interval, lower end"),
        "ci_high": (NUMBER, "95% interval, upper end"),
        "test": (TEXT, "what was tested how"),
        "family": (TEXT, "tests the correction runs over, and how many"),
        **GROUPS,
        "min_p": (NUMBER, "smallest attainable p"),
        "detectable_effect": (NUMBER, "smallest standardised effect found with 80% power"),
        "influence": (TEXT, "most influential patient and what happens without them"),
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
        **OF_CONTRAST,
        "population": (TEXT, "population or pair of populations"),
        "effect": (NUMBER, "signed effect, in the unit of its table"),
        "ci_low": (NUMBER, "95% interval of the effect, lower end"),
        "ci_high": (NUMBER, "95% interval of the effect, upper end"),
        "p_value": (NUMBER, "two-sided, unadjusted"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the family"),
        **GROUPS,
        "min_p": (NUMBER, "smallest attainable p"),
        "expected": (TEXT, "up, down or none"),
        "planted": (NUMBER, "planted log2 effect on simulated data; nan on real data"),
        "verdict": (TEXT, "of this feature"),
        "reason": (TEXT, "why"),
    },
)
