"""The road from the data to the report, whole or piece by piece."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cartscope.cli._options import cores, number_of_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cartscope.study import Settings

Out = Annotated[Path, typer.Option(help="Folder for everything that is made.")]
Data = Annotated[
    str, typer.Option(help="simulated, geo, or a folder with geo/series or samples.csv.")
]
GeoDir = Annotated[
    Path | None, typer.Option(help="Where `geo get --dest` wrote. [default: the user's cache]")
]
Samples = Annotated[Path | None, typer.Option(help="samples.csv: sample_id, path, patient, ...")]
Grades = Annotated[
    Path | None, typer.Option(help="grades.csv: patient, crs_grade, nt_grade, scale.")
]
Labels = Annotated[Path | None, typer.Option(help="CSV of your own cell types: cell, cell_type.")]
CarFeature = Annotated[
    list[str] | None, typer.Option(help="Name of a CAR feature in the matrices; may be repeated.")
]
ManifestDir = Annotated[Path | None, typer.Option(help="Folder of manifests that replace ours.")]
Clinical = Annotated[Path | None, typer.Option(help="Folder of clinical tables (not there yet).")]
Deep = Annotated[
    bool, typer.Option("--deep", help="Place every claim among permuted labels of the patients.")
]
Engine = Annotated[str, typer.Option(help="memory; dask is not there yet.")]
Scheduler = Annotated[str | None, typer.Option(help="Address of a Dask scheduler (not there yet).")]
Cells = Annotated[str | None, typer.Option(help="Size of the simulated study, or `paper`.")]
Preset = Annotated[str, typer.Option(help="recommended or published.")]
Jobs = Annotated[int, typer.Option(help="Threads or processes to use. [default: all cores]")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run every step again.")]


def _settings(*, cells: str | None, jobs: int, **options: object) -> Settings:
    from cartscope.study import Settings

    return Settings(cells=number_of_cells(cells), jobs=jobs or cores(), **options)


def _walk(settings: Settings, only: Iterable[str] | None) -> None:
    from cartscope.cli._progress import Progress
    from cartscope.study import reproduce as walk
    from cartscope.study import wanted_steps
    from cartscope.study._closing import closing_lines

    steps = wanted_steps(only)
    progress = Progress(len(steps))
    try:
        result = walk(settings, only=only, notify=progress)
    finally:
        progress.close()
    for line in closing_lines(result):
        print(line)


def reproduce(
    *,
    data: Data = "simulated",
    geo_dir: GeoDir = None,
    samples: Samples = None,
    grades: Grades = None,
    clinical: Clinical = None,
    labels: Labels = None,
    car_feature: CarFeature = None,
    manifests: ManifestDir = None,
    out: Out = Path("results"),
    cells: Cells = None,
    preset: Preset = "recommended",
    deep: Deep = False,
    jobs: Jobs = 0,
    engine: Engine = "memory",
    scheduler: Scheduler = None,
    seed: Seed = 0,
    fresh: Fresh = False,
) -> None:
    """Walk the whole road: cells, tables, figures, claims and the report."""
    settings = _settings(
        data=data,
        geo_dir=geo_dir,
        samples=samples,
        grades=grades,
        clinical=clinical,
        labels=labels,
        car_features=tuple(car_feature or ()),
        manifests=manifests,
        out=out,
        cells=cells,
        preset=preset,
        deep=deep,
        jobs=jobs,
        engine=engine,
        scheduler=scheduler,
        seed=seed,
        fresh=fresh,
    )
    _walk(settings, None)


def _on_existing(out: Path, only: Iterable[str]) -> None:
    """Bring steps of an earlier run up to date, with that run's own options."""
    from cartscope.study._closing import saved_settings

    _walk(saved_settings(out, jobs=cores()), only)


def run(
    steps: Annotated[list[str], typer.Argument(help="Names from `cartscope list steps`.")],
    *,
    out: Out = Path("results"),
) -> None:
    """Run single steps of an earlier run, with all that they need."""
    _on_existing(out, steps)


def figure(
    ids: Annotated[list[str], typer.Argument(help="Panels from `cartscope list figures`.")],
    *,
    out: Out = Path("results"),
) -> None:
    """Draw single panels of an earlier run."""
    from cartscope._check import one_of
    from cartscope.study import all_figures

    known = {name.casefold(): name for name in all_figures()}
    names = [known.get(i.casefold().removeprefix("fig"), i) for i in ids]
    for name in names:
        one_of(name, list(all_figures()), name="figure")
    _on_existing(out, [f"figure {name}" for name in names])
    for name in names:
        print(out / "figures" / f"fig{name.lower()}.pdf")


def claims(*, out: Out = Path("results")) -> None:
    """Judge the claims on the tables of an earlier run, and print the verdicts."""
    _on_existing(out, ["claims"])
    from cartscope.io import read_table

    table = read_table(out / "claims.csv", None)
    width = max((len(i) for i in table["id"]), default=0)
    for row in table.itertuples():
        print(f"{row.id:<{width}}  {row.verdict}")
    sys.stdout.flush()


def report(*, out: Out = Path("results")) -> None:
    """Write the report of an earlier run."""
    _on_existing(out, ["report"])
