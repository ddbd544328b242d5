"""Do the tests hold? How often they reject where nothing differs, on SIMULATED null cohorts.

    python benchmarks/calibration.py patients --cache FOLDER [--cohorts 500] [--parts PART ...]
    python benchmarks/calibration.py cells    --cache FOLDER [--cohorts 20] [--cells 20000]
    python benchmarks/calibration.py labels   --cache FOLDER --run OUT [--quick 200] [--slow 50]
    python benchmarks/calibration.py table    --cache FOLDER [--brief] [--out calibration.csv]

patients  null cohorts as sums of counts and numbers of cells per patient: about 4 s a cohort.
cells     whole null cohorts, cell by cell, through the steps of `reproduce`: a minute or two each.
          In both, expansion differs by CRS grade and CAR detection misses a fifth of the CAR T
          cells, so that CAR- shares differ with nothing planted: the corrected ones should not.
labels    the patients' labels of one finished run (OUT of `cartscope reproduce`) permuted within
          study x anakinra, all tests of each contrast done again.
table     what the cache holds, as a table: rates with 95% bounds against the level that the test
          can have with so many patients. "too many" and "too few" lie outside of 99.9% bounds,
          a mean over every feature by a tenth of the level too; "borderline" between the two.
          What claims and calls of the recommended preset rest on stands first, what is published
          or only shown after it; the last lines say how many of the first hold, and which do not.

A killed run goes on where it stopped: every cohort leaves one small JSON in the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pandas as pd
from _calibration import cohorts, permuted, records, whole

from cartscope.study import Manifests

LEVELS = ("patients", "cells", "labels")


def keep(path: Path, found: list[dict]) -> None:
    """Write one cohort's record, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(found))
    temporary.replace(path)


def say(path: Path, start: float) -> None:
    print(f"{path.parent.name}/{path.stem}: {time.perf_counter() - start:.1f} s", flush=True)


def run_patients(options: argparse.Namespace, named: dict) -> None:
    for seed in range(options.seed, options.seed + options.cohorts):
        for part in options.parts:
            path = options.cache / "patients" / part / f"{seed:06d}.json"
            if path.exists():
                continue
            start = time.perf_counter()
            folder = options.cache / f"work-{os.getpid()}"
            tables, sizes = cohorts.PARTS[part](seed, folder)
            keep(path, records.record(tables, named=named, sizes=sizes))
            say(path, start)
            shutil.rmtree(folder, ignore_errors=True)


def run_cells(options: argparse.Namespace, named: dict) -> None:
    for seed in range(options.seed, options.seed + options.cohorts):
        path = options.cache / "cells" / f"{seed:06d}.json"
        if path.exists():
            continue
        start = time.perf_counter()
        folder = options.cache / "prepared" / f"{seed:06d}"
        whole.prepare(folder, seed, cells=options.cells)
        tables, sizes = whole.null_tables(folder, seed, again=options.again)
        keep(path, records.record(tables, named=named, sizes=sizes))
        say(path, start)
        if not options.keep:
            shutil.rmtree(folder)


def run_labels(options: argparse.Namespace, named: dict) -> None:
    ctx, sizes = permuted.open_run(options.run, seed=options.seed)
    every = permuted.permutations(
        ctx,
        n_quick=options.quick,
        n_slow=options.slow,
        seed=options.seed,
        only=options.contrasts,
    )
    for contrast, number, sides in every:
        path = options.cache / "labels" / contrast / f"{number:06d}.json"
        if path.exists():
            continue
        tables = permuted.tables_of(ctx, contrast, sides)
        keep(path, records.record(tables, named=named, sizes=sizes))


def summary(cache: Path) -> pd.DataFrame:
    """Return the table of all levels that the cache holds."""
    parts = []
    for level in LEVELS:
        found: dict[str, list] = {}
        for path in sorted((cache / level).rglob("*.json")):
            # the permutations of different contrasts are cohorts of their own
            found.setdefault(path.stem, []).extend(json.loads(path.read_text()))
        if found:
            parts.append(records.summarize(found, level=level))
    if not parts:
        sys.exit(f"{cache} holds no cohort; run one of {', '.join(LEVELS)} first.")
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("level", choices=[*LEVELS, "table"])
    parser.add_argument("--cache", type=Path, required=True, help="folder of the records")
    parser.add_argument("--cohorts", type=int, help="500 of patients, 20 of cells")
    parser.add_argument("--parts", nargs="+", choices=cohorts.PARTS, default=[*cohorts.PARTS])
    parser.add_argument("--seed", type=int, default=1000, help="of the first cohort")
    parser.add_argument("--cells", type=int, default=20_000, help="of a whole cohort")
    parser.add_argument("--keep", action="store_true", help="keep the cells of whole cohorts")
    parser.add_argument("--again", action="store_true", help="name kept cells anew")
    parser.add_argument("--run", type=Path, help="a finished run, for labels")
    parser.add_argument("--contrasts", nargs="+", help="for labels; all that can be permuted")
    parser.add_argument("--quick", type=int, default=200, help="relabellings of shares and pairs")
    parser.add_argument("--slow", type=int, default=50, help="relabellings of genes and sets")
    parser.add_argument("--brief", action="store_true", help="leave single features out")
    parser.add_argument("--out", type=Path, default=Path("calibration.csv"))
    options = parser.parse_args()
    if options.cohorts is None:
        options.cohorts = 20 if options.level == "cells" else 500
    if options.level == "labels" and options.run is None:
        parser.error("labels needs --run, the OUT of a finished run")
    named = records.named_features(Manifests().claims)
    run = {"patients": run_patients, "cells": run_cells, "labels": run_labels}.get(options.level)
    if run is not None:
        run(options, named)
    table = summary(options.cache)
    if options.brief:
        table = table[table["what"].isin(records.HEADLINES)]
    table.to_csv(options.out, index=False, float_format="%.6g")
    print(records.show(table))


if __name__ == "__main__":
    main()
