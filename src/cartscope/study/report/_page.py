"""Fill the template."""

from __future__ import annotations

import base64
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from cartscope import __version__
from cartscope.study._figures import figure_files
from cartscope.study._registry import all_figures
from cartscope.study._simulated import is_simulated
from cartscope.study.report import _calibration, _cohort, _methods, _models, _supplement
from cartscope.study.report import _sections as sections

if TYPE_CHECKING:
    from pathlib import Path

    from cartscope.study._context import Context


def write_page(ctx: Context, path: Path) -> None:
    """Write the report; it opens from disk, without a network.

    Parameters
    ----------
    ctx
        The run, past everything the report shows.
    path
        File to write.
    """
    import jinja2

    folder = files("cartscope.study.report")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(folder.joinpath("page.html").read_text("utf-8"))
    page = template.render(
        style=folder.joinpath("page.css").read_text("utf-8"),
        script=folder.joinpath("page.js").read_text("utf-8"),
        version=__version__,
        **_content(ctx),
    )
    path.write_text(page, "utf-8")


def _content(ctx: Context) -> dict[str, Any]:
    claims = ctx.read_table("claims.csv")
    qc = ctx.read_table("tables/qc.csv")
    samples = ctx.read_table("tables/samples.csv")
    cohort = ctx.manifests.cohort
    return {
        "title": cohort.title,
        "doi": cohort.doi,
        "simulated": is_simulated(ctx),
        "preset": ctx.preset,
        "n_patients": samples["patient"].nunique(),
        "n_samples": len(samples),
        "n_cells": int(qc["n_kept"].sum()),
        "n_read": int(qc["n_cells"].sum()),
        "verdicts": claims["verdict"].value_counts().to_dict(),
        "cohort": _cohort.cohort_table(ctx),
        "treatment": _cohort.treatment_table(ctx),
        "contrasts": _cohort.contrast_table(ctx),
        "models": _models.models_table(ctx),
        "estimability": sections.estimability_table(ctx),
        "engines": sections.engine_table(ctx),
        "qc": sections.qc_table(ctx),
        "integration": sections.integration_table(ctx),
        "agreement": sections.agreement_table(ctx),
        "car": sections.car_table(ctx),
        "claims": sections.claims_table(ctx),
        "methods": _methods.methods_text(ctx),
        "citations": _methods.CITATIONS,
        "calibration": _calibration.calibration_table(ctx),
        "calibrated": _calibration.calibration_summary(ctx),
        "parameters": sections.parameter_table(ctx),
        "provenance": sections.provenance_tables(ctx),
        "caveats": cohort.caveats,
        "supplement": _supplement.supplement_table(ctx),
        "left_out": _supplement.left_out(ctx),
        "figures": [_figure(ctx, spec) for spec in all_figures().values()],
    }


def _figure(ctx: Context, spec: Any) -> dict[str, str]:
    image = ctx.path(figure_files(spec.id)[1]).read_bytes()
    return {
        "id": spec.id,
        "title": spec.title,
        "caption": spec.caption,
        "claims": ", ".join(spec.claims),
        "image": base64.b64encode(image).decode("ascii"),
    }
