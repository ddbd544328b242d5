"""Column contracts of the tables of libraries and cells; import them from ``_schema``."""

from __future__ import annotations

from cartscope._schema_columns import INTEGER, NUMBER, TEXT, TRUTH, Schema

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

LABEL_AGREEMENT = Schema(
    "label_agreement.csv",
    {
        "seed": (INTEGER, "seed that clustering started from"),
        "cell_type": (TEXT, "type in the run; empty for all cells"),
        "n_cells": (INTEGER, "cells of the type; those of the user's labels are left out"),
        "agreement": (NUMBER, "share of them with the same type from this seed, 0-1"),
        "n_clusters": (INTEGER, "clusters from this seed"),
    },
)

AMBIENT = Schema(
    "ambient.csv",
    {
        "sample": (TEXT, "library"),
        "n_cells": (INTEGER, "cells of a known type"),
        "n_genes": (INTEGER, "genes of one type that show it in cells of others"),
        "ambient_share": (NUMBER, "estimated ambient share of a cell's UMI, 0-1"),
        "ambient_share_high": (NUMBER, "its upper 95% limit, 0-1"),
        "car_share": (NUMBER, "CAR share of the ambient profile, 0-1"),
        "ambient_car": (NUMBER, "CAR UMI that ambient RNA gives the median cell"),
        "n_car": (INTEGER, "cells with a CAR UMI"),
        "n_car_ambient": (NUMBER, "cells that ambient RNA alone would give a CAR UMI"),
        "car_from_ambient": (NUMBER, "n_car_ambient over n_car, at most 1"),
        "car_reads_ambient": (NUMBER, "ambient share of CAR UMI, from control cells, 0-1"),
        "car_reads_ambient_high": (NUMBER, "its upper 95% limit, Poisson, 0-1"),
        "reason": (TEXT, "why a value is missing; empty where none is"),
    },
)

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
        "rule": (TEXT, "published or recommended: the rule behind the calls"),
        "n_published": (INTEGER, "T cells CAR-positive by the published rule, one UMI"),
        "n_recommended": (INTEGER, "T cells CAR-positive by the recommended rule"),
        "published_share": (NUMBER, "n_published over n_t_cells, 0-1"),
        "recommended_share": (NUMBER, "n_recommended over n_t_cells, 0-1"),
        "n_gained": (INTEGER, "T cells CAR-positive by the recommended rule alone"),
        "n_lost": (INTEGER, "T cells CAR-positive by the published rule alone"),
        "n_control_cells": (INTEGER, "monocytes, B and NK cells: negative controls"),
        "control_share": (NUMBER, "share of control cells with a CAR UMI, 0-1"),
        "sensitivity": (NUMBER, "estimated detection of CAR T cells, 0-1; nan: not identifiable"),
        "true_share": (NUMBER, "estimated true CAR share of T cells, 0-1; nan: not identifiable"),
        "missed_share": (NUMBER, "estimated CAR T cells among the CAR-negative, 0-1"),
        "missed_low": (NUMBER, "lower end of its 95% interval; nan: none"),
        "missed_high": (NUMBER, "upper end"),
        "reason": (TEXT, "what could not be estimated, and why"),
        "ambient_share": (NUMBER, "estimated ambient share of a cell's UMI, 0-1"),
        "ambient_car": (NUMBER, "CAR UMI that ambient RNA gives the median cell"),
        "car_reads_ambient": (NUMBER, "ambient share of CAR UMI, from control cells, 0-1"),
        "car_reads_ambient_high": (NUMBER, "its upper 95% limit, 0-1"),
        "ambient_reason": (TEXT, "which of these is not estimable, and why"),
    },
    optional=frozenset(
        {
            "missed_low",
            "missed_high",
            "ambient_share",
            "ambient_car",
            "car_reads_ambient",
            "car_reads_ambient_high",
            "ambient_reason",
        }
    ),
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

EXPRESSION_PATIENTS = Schema(
    "expression_patients.csv",
    {
        "gene": (TEXT, "symbol"),
        "patient": (TEXT, "patient"),
        "cell_type": (TEXT, "cell type"),
        "t_subset": (TEXT, "T-cell subset; empty for other cells"),
        "car_status": (TEXT, "positive, negative or unknown"),
        "timepoint": (TEXT, "time point"),
        "mean": (NUMBER, "mean log1p of 10,000-normalised counts"),
        "n_cells": (INTEGER, "cells"),
    },
)

CELL_COUNTS = Schema(
    "cell_counts.csv",
    {
        "patient": (TEXT, "patient"),
        "cell_type": (TEXT, "cell type"),
        "t_subset": (TEXT, "T-cell subset; empty for other cells"),
        "car_status": (TEXT, "positive, negative or unknown"),
        "timepoint": (TEXT, "time point"),
        "n_cells": (INTEGER, "cells of all libraries of the patient"),
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

SIGNATURES_BY_TYPE = Schema(
    "signatures_by_type.csv",
    {
        "signature": (TEXT, "gene set"),
        "cell_type": (TEXT, "cell type"),
        "t_subset": (TEXT, "T-cell subset; empty for the whole type"),
        "timepoint": (TEXT, "time point"),
        "mean": (NUMBER, "mean over patients of their cells' mean score"),
        "low": (NUMBER, "lower quartile over patients"),
        "high": (NUMBER, "upper quartile over patients"),
        "n_patients": (INTEGER, "patients with enough cells, behind the three numbers"),
        "n_cells": (INTEGER, "cells of all patients"),
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

INNATE_FRACTIONS = Schema(
    "innate fractions",
    {
        **FRACTIONS.columns,
        "fraction": (NUMBER, "among T cells that are no CAR T cells, 0-1; nan: not estimable"),
        "n": (INTEGER, "CAR-negative cells of the part, as observed"),
        "n_cells": (INTEGER, "CAR-negative cells, as observed"),
        "observed": (NUMBER, "share among CAR-negative cells, missed CAR T cells included"),
        "se": (NUMBER, "standard error of fraction"),
        "missed_share": (NUMBER, "estimated CAR T cells among the CAR-negative, 0-1"),
        "missed_low": (NUMBER, "lower end of its 95% interval"),
        "missed_high": (NUMBER, "upper end"),
        "n_found": (INTEGER, "T cells with a CAR count"),
        "clipped": (INTEGER, "1: the fraction came out below 0 or above 1 and was put there"),
        "reason": (TEXT, "why fraction is missing"),
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
        "reason": (TEXT, "why there is no profile; empty where there is one"),
    },
)
