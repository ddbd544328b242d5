"""The report: one self-contained page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cartscope.study._figures import figure_files
from cartscope.study._model import Step
from cartscope.study._registry import all_figures
from cartscope.study.report import write_page

if TYPE_CHECKING:
    from cartscope.study._context import Context


def run(ctx: Context) -> None:
    """Write report.html."""
    with ctx.writing("report.html") as temporary:
        write_page(ctx, temporary)


STEP = Step(
    name="report",
    title="The report",
    needs=(
        "claims.csv",
        "provenance.json",
        "tables/car_calls.csv",
        "tables/engine_comparison.csv",
        "tables/estimability.csv",
        "tables/fits.csv",
        "tables/integration.csv",
        "tables/label_agreement.csv",
        "tables/qc.csv",
        "tables/samples.csv",
        "tables/supplement.csv",
        *(figure_files(panel)[1] for panel in all_figures()),
    ),
    makes=("report.html",),
    params=("qc",),
    settings=("preset",),
    manifests=(
        "claims.toml",
        "cohort.toml",
        "contrasts.toml",
        "params",
        "supplement.toml",
        "calibration.toml",
        "calibration.csv",
    ),
    run=run,
)
