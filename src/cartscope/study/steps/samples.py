"""One table of all libraries: what each is, and of whom."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cartscope import geo, io
from cartscope._errors import InputError
from cartscope._schema import GEO_INDEX
from cartscope.study._labels import own_labels
from cartscope.study._model import Step
from cartscope.study._simulated import mark_simulated
from cartscope.study._source import input_digests, read_source

if TYPE_CHECKING:
    import pandas as pd

    from cartscope.study._context import Context

_INSIDE = "::"


def run(ctx: Context) -> None:
    """Read the sample table from GEO's files or the user's, and add the grades."""
    source = read_source(ctx)
    left_out = GEO_INDEX.empty()
    if source.kind == "samples":
        path = ctx.settings.samples or source.root / "samples.csv"
        table, base = io.read_samples(path), path.parent
    else:
        found = geo.index(source.root, ctx.manifests.series, samples=ctx.settings.samples)
        table, left_out, base = found.samples, found.left_out, source.root
        _refuse_unplaced(left_out)
        table = mark_simulated(table, source.series_dirs(ctx.manifests.cohort.series))
    own_labels(ctx)  # what no population could match is refused before anything is computed
    if ctx.settings.grades is not None:
        table = io.apply_grades(table, io.read_grades(ctx.settings.grades))
    elif source.grades is not None:
        # found beside the data, so it may know patients that were not downloaded
        grades = io.read_grades(source.grades)
        here = grades["patient"].isin(table["patient"].astype(str))
        table = io.apply_grades(table, grades[here])
    if table.empty:
        msg = f"{source.root}: no library of the study was found; `cartscope geo inspect` says why."
        raise InputError(msg)
    if ctx.settings.car_features:
        table = table.assign(car_features=" ".join(ctx.settings.car_features))
    # absolute paths would make two runs of the same data differ
    table = table.assign(path=[_relative(p, base, source.root) for p in table["path"]])
    ctx.write_table("work/samples.csv", table)
    ctx.write_table("work/not_used.csv", left_out)


def _relative(path: str, base: Path, root: Path) -> str:
    file, inside, member = str(path).partition(_INSIDE)
    absolute = file if Path(file).is_absolute() else (base / file).resolve()
    return Path(os.path.relpath(absolute, root.resolve())).as_posix() + inside + member


def _refuse_unplaced(left_out: pd.DataFrame) -> None:
    unplaced = left_out[left_out["status"] == "not placed"]
    if len(unplaced):
        first = unplaced.iloc[0]
        others = f" ({len(unplaced)} in all: `cartscope geo inspect` lists them)"
        msg = f"{first['accession']} {first['member'] or first['title']}: {first['reason']}{others}"
        raise InputError(msg)


STEP = Step(
    name="samples",
    title="Place every library",
    needs=("work/source.json",),
    makes=("work/samples.csv", "work/not_used.csv"),
    settings=("car_features",),
    manifests=("cohort.toml", "GSE246490.toml", "GSE197268.toml", "annotation.toml"),
    inputs=input_digests,
    run=run,
)
