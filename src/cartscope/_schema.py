"""Column contracts of every result table: name, kind, meaning and unit, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cartscope._errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd

TEXT: Final = "text"
NUMBER: Final = "number"
INTEGER: Final = "integer"
TRUTH: Final = "truth"

_EMPTY: Final = {TEXT: "", NUMBER: np.nan, INTEGER: 0, TRUTH: False}
_DTYPE: Final = {TEXT: object, NUMBER: np.float64, INTEGER: np.int64, TRUTH: bool}


@dataclass(frozen=True)
class Schema:
    """Names, kinds and meaning of a table's columns, in order.

    Further columns may follow the ones named here; ``optional`` ones may be absent.
    """

    name: str
    columns: dict[str, tuple[str, str]]  # column -> (kind, meaning and unit)
    optional: frozenset[str] = frozenset()

    def check(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with schema columns first and of the right kind, or raise SchemaError.

        Parameters
        ----------
        table
            Left as it is; the result is a new table.
        """
        missing = [c for c in self.columns if c not in table and c not in self.optional]
        if missing:
            msg = f"{self.name}: missing columns {missing}; found {list(table.columns)}."
            raise SchemaError(msg)
        present = [c for c in self.columns if c in table]
        out = table[present + [c for c in table.columns if c not in self.columns]].copy()
        for column in present:
            kind = self.columns[column][0]
            try:
                if kind == TEXT:
                    # a CSV cannot tell "" from missing, so text has one spelling of both
                    out[column] = out[column].astype(object).where(out[column].notna(), "")
                    out[column] = out[column].astype(str).astype(object)
                else:
                    out[column] = out[column].astype(_DTYPE[kind])
            except (TypeError, ValueError) as error:
                msg = f"{self.name}: column {column!r} must be {kind}: {error}"
                raise SchemaError(msg) from error
        return out

    def empty(self) -> pd.DataFrame:
        """Return a table without rows that passes :meth:`check`."""
        import pandas as pd

        return pd.DataFrame({c: pd.Series(dtype=_DTYPE[kd]) for c, (kd, _) in self.columns.items()})

    def blank(self, **values: object) -> dict[str, object]:
        """Return one row with ``values`` set and everything else empty.

        Parameters
        ----------
        values
            Columns of this schema that are known.
        """
        unknown = set(values) - set(self.columns)
        if unknown:
            msg = f"{self.name}: no such columns {sorted(unknown)}."
            raise SchemaError(msg)
        return {c: values.get(c, _EMPTY[kd]) for c, (kd, _) in self.columns.items()}


_CONTRAST = {"contrast": (TEXT, "id in contrasts.toml")}
_GROUPS = {
    "n_group": (INTEGER, "patients in the group"),
    "n_reference": (INTEGER, "patients in the reference"),
}
_MEDIANS = {
    "median_group": (NUMBER, "median over the group's patients"),
    "median_reference": (NUMBER, "median over the reference's patients"),
}
_P = {
    "p_value": (NUMBER, "two-sided, unadjusted"),
    "fdr": (NUMBER, "Benjamini-Hochberg within the family"),
}
_REASON = {"reason": (TEXT, "why there is no result; empty where there is one")}
_FAMILY = {
    "family_size": (INTEGER, "tests that fdr corrects for"),
    "min_p": (NUMBER, "smallest p these group sizes can give; nan where there is no floor"),
}

SAMPLES = Schema(
    "samples.csv",
    {
        "sample_id": (TEXT, "unique name of the library"),
        "path": (TEXT, "10x matrix of the sample, relative to the table"),
        "patient": (TEXT, "unique name of the patient"),
        "study": (TEXT, "accession or name of the study"),
        "timepoint": (TEXT, "free text; here infusion_product, baseline, day7"),
        "day": (NUMBER, "days after infusion"),
        "sorted": (TEXT, "true, false or empty: sorted for the CAR"),
        "product": (TEXT, "axi-cel, tisa-cel, ..."),
        "anakinra": (TEXT, "true, false or empty"),
        "crs_grade": (NUMBER, "0-5 or empty"),
        "nt_grade": (NUMBER, "0-5 or empty"),
        "response": (TEXT, "R, NR or empty"),
        "sex": (TEXT, "female, male or empty"),
        "channel": (TEXT, "10x channel"),
        "pool": (TEXT, "loading pool"),
        "tocilizumab_before_sample": (TEXT, "true, false or unknown"),
        "steroid_before_sample": (TEXT, "true, false or unknown"),
        "car_features": (TEXT, "names of the CAR features, separated by spaces"),
    },
    optional=frozenset(
        {
            "study",
            "timepoint",
            "day",
            "sorted",
            "product",
            "anakinra",
            "crs_grade",
            "nt_grade",
            "response",
            "sex",
            "channel",
            "pool",
            "tocilizumab_before_sample",
            "steroid_before_sample",
            "car_features",
        }
    ),
)

QC = Schema(
    "qc.csv",
    {
        "sample": (TEXT, "library"),
        "patient": (TEXT, "patient"),
        "timepoint": (TEXT, "time point"),
        "n_cells": (INTEGER, "cells read"),
        "n_kept": (INTEGER, "cells kept"),
        "median_counts": (NUMBER, "median UMI per cell read"),
        "median_genes": (NUMBER, "median genes per cell read"),
        "median_pct_mito": (NUMBER, "median mitochondrial share, percent"),
        "n_few_genes": (INTEGER, "cells dropped for too few genes"),
        "n_high_mito": (INTEGER, "cells dropped for their mitochondrial share"),
        "n_high_hbb": (INTEGER, "cells dropped for haemoglobin"),
        "n_doublets": (INTEGER, "cells dropped as doublets"),
        "doublets_by": (TEXT, "how doublets were scored, or why they were not"),
        "verdict": (TEXT, "usable, few cells or failed library"),
        "reason": (TEXT, "what the verdict rests on"),
    },
)

DROPPED = Schema(
    "dropped.csv",
    {
        "kind": (TEXT, "cell, sample or gene"),
        "sample": (TEXT, "library; empty for genes"),
        "n": (INTEGER, "how many"),
        "reason": (TEXT, "why"),
    },
)

CAR_CALLS = Schema(
    "car_calls.csv",
    {
        "sample": (TEXT, "library"),
        "patient": (TEXT, "patient"),
        "timepoint": (TEXT, "time point"),
        "sorted": (TEXT, "true, false or empty"),
        "car_features": (TEXT, "CAR features looked for in this library"),
        "n_t_cells": (INTEGER, "T cells after QC"),
        "n_positive": (INTEGER, "CAR-positive T cells"),
        "n_negative": (INTEGER, "CAR-negative T cells"),
        "n_unknown": (INTEGER, "T cells of unknown CAR status"),
        "n_one_umi": (INTEGER, "T cells with at least one CAR UMI"),
        "positive_share": (NUMBER, "CAR-positive share of T cells, 0-1"),
        "n_control_cells": (INTEGER, "monocytes, B and NK cells: negative controls"),
        "control_share": (NUMBER, "share of control cells with a CAR UMI, 0-1"),
        "sensitivity": (NUMBER, "estimated detection of CAR T cells, 0-1; nan: not identifiable"),
        "true_share": (NUMBER, "estimated true CAR share of T cells, 0-1; nan: not identifiable"),
        "missed_share": (NUMBER, "estimated CAR T cells among the CAR-negative, 0-1"),
        "reason": (TEXT, "what could not be estimated, and why"),
    },
)

_PATIENT_TEST = {
    **_CONTRAST,
    "population": (TEXT, "cell type or T-cell subset"),
    "car_status": (TEXT, "positive, negative, unknown or all"),
    **_GROUPS,
    **_MEDIANS,
    "u": (NUMBER, "Mann-Whitney U of the group"),
    **_P,
    **_FAMILY,
    **_REASON,
}
COMPOSITION = Schema("composition.csv", _PATIENT_TEST)
CYCLING = Schema("cycling.csv", _PATIENT_TEST)

INTEGRATION = Schema(
    "integration.csv",
    {
        "measure": (TEXT, "lisi, share of variance or spread over samples"),
        "column": (TEXT, "obs column it is about"),
        "role": (TEXT, "batch, label or condition"),
        "before": (NUMBER, "in the uncorrected embedding"),
        "after": (NUMBER, "in the corrected embedding"),
        "ratio": (NUMBER, "after over before"),
        "reading": (TEXT, "what the two numbers say"),
    },
)

AMBIENT = Schema(
    "ambient.csv",
    {
        "sample": (TEXT, "library"),
        "n_cells": (INTEGER, "cells of a known type"),
        "n_genes": (INTEGER, "genes of one type that show it in cells of others"),
        "ambient_share": (NUMBER, "estimated ambient share of a cell's UMI, 0-1"),
        "car_share": (NUMBER, "CAR share of the ambient profile, 0-1"),
        "ambient_car": (NUMBER, "CAR UMI that ambient RNA gives the median cell"),
        "n_car": (INTEGER, "cells with a CAR UMI"),
        "n_car_ambient": (NUMBER, "cells that ambient RNA alone would give a CAR UMI"),
        "car_from_ambient": (NUMBER, "n_car_ambient over n_car, at most 1"),
        "reason": (TEXT, "why a value is missing; empty where none is"),
    },
)

FRACTIONS = Schema(
    "fractions",
    {
        "sample_or_patient": (TEXT, "unit that is tested: one value per patient"),
        "population": (TEXT, "cell type or T-cell subset"),
        "car_status": (TEXT, "positive, negative, unknown or all"),
        "fraction": (NUMBER, "0-1"),
        "n": (INTEGER, "cells in the numerator"),
        "n_cells": (INTEGER, "cells in the denominator"),
    },
)

PATIENT_SHARES = Schema(
    "patients",
    {
        **_CONTRAST,
        "side": (TEXT, "group or reference"),
        "patient": (TEXT, "patient"),
        "population": (TEXT, "cell type or T-cell subset"),
        "car_status": (TEXT, "positive, negative, unknown or all"),
        "fraction": (NUMBER, "0-1"),
        "n": (INTEGER, "cells in the numerator"),
        "n_cells": (INTEGER, "cells in the denominator"),
    },
)

EXPRESSION = Schema(
    "expression.csv",
    {
        "gene": (TEXT, "symbol"),
        "cell_type": (TEXT, "cell type"),
        "t_subset": (TEXT, "T-cell subset; empty for other cells"),
        "car_status": (TEXT, "positive, negative or unknown"),
        "timepoint": (TEXT, "time point"),
        "mean": (NUMBER, "mean log1p of 10,000-normalised counts"),
        "share": (NUMBER, "cells with at least one count, 0-1"),
        "n_cells": (INTEGER, "cells"),
    },
)

DE = Schema(
    "de.csv",
    {
        **_CONTRAST,
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

ENGINE_COMPARISON = Schema(
    "engine_comparison.csv",
    {
        **_CONTRAST,
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
        **_CONTRAST,
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

CORRECTED = Schema(
    "corrected.csv",
    {
        "analysis": (TEXT, "composition or cycling"),
        **_PATIENT_TEST,
        "missed_group": (NUMBER, "median share of missed CAR T cells among CAR-, group"),
        "missed_reference": (NUMBER, "median share of missed CAR T cells among CAR-, reference"),
    },
    optional=frozenset({"missed_group", "missed_reference"}),
)

GSEA = Schema(
    "gsea.csv",
    {
        **_CONTRAST,
        "gene_set": (TEXT, "name of the set"),
        "size": (INTEGER, "genes of the set in the ranking"),
        "es": (NUMBER, "enrichment score"),
        "nes": (NUMBER, "normalised enrichment score"),
        "p_value": (NUMBER, "gene-permutation p: ignores correlation between genes"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the contrast"),
        "leading_edge": (TEXT, "genes, separated by semicolons"),
        "reason": (TEXT, "why a value is missing"),
    },
    optional=frozenset({"reason"}),
)

GENE_SET_SCORES = Schema(
    "gene_set_scores.csv",
    {
        **_CONTRAST,
        "gene_set": (TEXT, "name of the set"),
        "size": (INTEGER, "genes of the set that vary between the patients"),
        **_GROUPS,
        **_MEDIANS,
        "effect": (NUMBER, "group minus reference: median of all differences of mean z"),
        "ci_low": (NUMBER, "95% interval of effect, lower end"),
        "ci_high": (NUMBER, "95% interval of effect, upper end"),
        "u": (NUMBER, "Mann-Whitney U of the group; signed-rank V where patients are paired"),
        **_P,
        **_FAMILY,
        **_REASON,
    },
)

OVER_REPRESENTATION = Schema(
    "over_representation.csv",
    {
        **_CONTRAST,
        "gene_set": (TEXT, "name of the set"),
        "size": (INTEGER, "genes of the set in the universe"),
        "overlap": (INTEGER, "genes of the set among the chosen ones"),
        "fold_enrichment": (NUMBER, "overlap divided by what chance gives"),
        "p_value": (NUMBER, "hypergeometric, upper tail: ignores correlation between genes"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the contrast"),
        "genes": (TEXT, "the overlap, separated by semicolons"),
        **_REASON,
    },
)

LIGREC = Schema(
    "ligrec.csv",
    {
        **_CONTRAST,
        "source": (TEXT, "sending population"),
        "target": (TEXT, "receiving population"),
        "ligand": (TEXT, "ligand, subunits joined by _"),
        "receptor": (TEXT, "receptor, subunits joined by _"),
        **_GROUPS,
        **_MEDIANS,
        "log2_change": (NUMBER, "log2 of the ratio of the medians"),
        "u": (NUMBER, "Mann-Whitney U of the group"),
        **_P,
        **_FAMILY,
        **_REASON,
    },
)

LIGREC_INTERACTION = Schema(
    "ligrec_interaction.csv",
    {
        **_CONTRAST,
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
        "fdr": (NUMBER, "Benjamini-Hochberg over the table"),
        "family_size": (INTEGER, "tests that fdr corrects for"),
        **_REASON,
    },
)

PSEUDOBULK = Schema(
    "pseudobulk.csv",
    {
        "population": (TEXT, "population of contrasts.toml"),
        "patient": (TEXT, "patient"),
        "timepoint": (TEXT, "time point"),
        "n_cells": (INTEGER, "cells summed"),
        "kept": (TRUTH, "whether there are enough cells for a profile"),
        **_REASON,
    },
)

GENE_FILTER = Schema(
    "gene_filter.csv",
    {
        **_CONTRAST,
        "preset": (TEXT, "recommended or published"),
        "rule": (TEXT, "by_expression or cpm"),
        "n_genes": (INTEGER, "genes with a count in these profiles"),
        "n_tested": (INTEGER, "genes that passed"),
        "n_dropped": (INTEGER, "genes with too few counts"),
    },
)

LIGREC_PATIENTS = Schema(
    "ligrec_patients.csv",
    {
        **_CONTRAST,
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

SIGNATURES = Schema(
    "signatures.csv",
    {
        "signature": (TEXT, "gene set"),
        "patient": (TEXT, "patient"),
        "cell_type": (TEXT, "cell type"),
        "timepoint": (TEXT, "time point"),
        "mean": (NUMBER, "mean score of the cells, in units of log1p expression"),
        "n_cells": (INTEGER, "cells"),
    },
)

CONTRASTS = Schema(
    "contrasts.csv",
    {
        **_CONTRAST,
        "analysis": (TEXT, "de, gsea, composition, cycling or ligrec"),
        "population": (TEXT, "population of contrasts.toml"),
        **_GROUPS,
        "group_patients": (TEXT, "patients, separated by spaces"),
        "reference_patients": (TEXT, "patients, separated by spaces"),
        "status": (TEXT, "tested or not testable"),
        **_REASON,
    },
)

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
        **_GROUPS,
        "min_p": (NUMBER, "smallest attainable p"),
        "detectable_effect": (NUMBER, "smallest standardised effect found with 80% power"),
        "influence": (TEXT, "most influential patient and what happens without them"),
        "caveats": (TEXT, "what limits the claim"),
        "verdict": (TEXT, "one of the ledger's verdicts"),
        "reason": (TEXT, "why this verdict"),
    },
)

CLAIMS_DETAIL = Schema(
    "claims_detail.csv",
    {
        "id": (TEXT, "id in claims.toml"),
        "feature": (TEXT, "gene, set, pair or subset"),
        **_CONTRAST,
        "population": (TEXT, "population or pair of populations"),
        "effect": (NUMBER, "signed effect, in the unit of its table"),
        "ci_low": (NUMBER, "95% interval of the effect, lower end"),
        "ci_high": (NUMBER, "95% interval of the effect, upper end"),
        "p_value": (NUMBER, "two-sided, unadjusted"),
        "fdr": (NUMBER, "Benjamini-Hochberg within the family"),
        **_GROUPS,
        "min_p": (NUMBER, "smallest attainable p"),
        "expected": (TEXT, "up, down or none"),
        "planted": (NUMBER, "planted log2 effect on simulated data; nan on real data"),
        "verdict": (TEXT, "of this feature"),
        "reason": (TEXT, "why"),
    },
)

GEO_INDEX = Schema(
    "geo inspect",
    {
        "accession": (TEXT, "series"),
        "member": (TEXT, "member of the archive, or file in suppl/"),
        "size": (INTEGER, "bytes"),
        "gsm": (TEXT, "sample accession, from the member's name"),
        "title": (TEXT, "sample title, from SOFT, else from the member's name"),
        "sample_id": (TEXT, "name of the library in cartscope"),
        "patient": (TEXT, "patient it was read as"),
        "timepoint": (TEXT, "time point it was read as"),
        "sorted": (TEXT, "true, false or empty"),
        "status": (TEXT, "used, not used or not placed"),
        "reason": (TEXT, "why it is not used, or what to write to place it"),
    },
)

GEO_FILES = Schema(
    "geo files",
    {
        "file": (TEXT, "path below the series' folder"),
        "size": (INTEGER, "bytes"),
        "sha256": (TEXT, "SHA-256 in hexadecimal"),
        "status": (
            TEXT,
            "fetched, resumed, already there or not on the server; as recorded, recorded now, "
            "altered, cut off, damaged or missing",
        ),
        "reason": (TEXT, "what is wrong, and what to do"),
    },
)

SCHEMAS: Final[dict[str, Schema]] = {
    "qc": QC,
    "dropped": DROPPED,
    "ambient": AMBIENT,
    "car_calls": CAR_CALLS,
    "composition": COMPOSITION,
    "cycling": CYCLING,
    "de": DE,
    "estimability": ESTIMABILITY,
    "gsea": GSEA,
    "ligrec": LIGREC,
    "contrasts": CONTRASTS,
    "samples": SAMPLES,
    "composition_patients": PATIENT_SHARES,
    "cycling_patients": PATIENT_SHARES,
    "expression": EXPRESSION,
    "integration": INTEGRATION,
    "corrected": CORRECTED,
    "pseudobulk": PSEUDOBULK,
    "pseudobulk_dropped": PSEUDOBULK,
    "gene_filter": GENE_FILTER,
    "ligrec_patients": LIGREC_PATIENTS,
    "signatures": SIGNATURES,
    "gene_set_scores": GENE_SET_SCORES,
    "claims": CLAIMS,
    "claims_detail": CLAIMS_DETAIL,
}
