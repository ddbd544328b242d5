"""What the results rest on: inputs, parameters, versions, seed."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from typing import TYPE_CHECKING

import cartscope
from cartscope.study._model import Step
from cartscope.study._source import input_digests

if TYPE_CHECKING:
    from cartscope.study._context import Context

PACKAGES = (
    "anndata", "faiss-cpu", "gseapy", "harmonypy", "igraph", "liana", "matplotlib", "numba",
    "numpy", "pandas", "pydeseq2", "scanpy", "scikit-learn", "scipy", "umap-learn",
)  # fmt: skip
_MANIFESTS = (
    "GSE197268.toml", "GSE246490.toml", "annotation.toml", "claims.toml", "cohort.toml",
    "contrasts.toml", "gene_sets", "ligand_receptor.toml", "params", "supplement.toml",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of the packages that can change a number."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"cartscope": cartscope.__version__, **found}


def run(ctx: Context) -> None:
    """Write provenance.json; no path, no date, no number of jobs."""
    manifests = ctx.manifests.bytes_of(_MANIFESTS)
    content = {
        "inputs": input_digests(ctx),
        "manifests": {name: hashlib.sha256(b).hexdigest() for name, b in manifests.items()},
        "preset": ctx.settings.preset,
        "parameters": {
            section: {name: entry["value"] for name, entry in values.items()}
            for section, values in ctx.preset.model_dump().items()
            if isinstance(values, dict)
        },
        "cells_asked_for": ctx.settings.cells,
        "car_features": list(ctx.settings.car_features),
        "deep": ctx.settings.deep,
        "seed": ctx.seed,
        "versions": versions(),
    }
    with ctx.writing("provenance.json") as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


STEP = Step(
    name="provenance",
    title="Inputs, parameters, versions",
    needs=("tables/samples.csv",),
    makes=("provenance.json",),
    params=(
        "qc", "genes", "embedding", "cells", "pseudobulk", "de", "gsea", "composition", "cycling",
        "ligrec",
    ),
    manifests=_MANIFESTS,
    settings=("cells", "preset", "car_features", "deep"),
    seeded=True,
    inputs=lambda ctx: {"files": input_digests(ctx), "versions": versions()},
    run=run,
)  # fmt: skip
