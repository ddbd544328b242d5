"""Seconds of the ligand-receptor scores and tests of a finished run.

    python benchmarks/ligand_receptor.py OUT

OUT is what `cartscope reproduce --out` left, of any size. First the scores of all patients, pairs
of the united resources and ordered pairs of populations, with their tests, arm by arm; then the
whole step: every contrast, both presets' candidates, the arms' interaction. Seconds by the clock
and of the processor, loading of the cells apart.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from cartscope import io, tl
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._groups import split
from cartscope.study.redo._in_memory import InMemory
from cartscope.study.redo._permuted import STEPS
from cartscope.study.steps.ligrec import _cells as cells_of


def say(what: str, start: tuple[float, float]) -> None:
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    print(f"{what}: {wall:.1f} s by the clock, {cpu:.1f} s of the processor", flush=True)


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    ctx = Context(Settings(out=out, data=str(out)), annotating_before=annotating_before)
    adata = ctx.cells("ligrec")
    manifest = ctx.manifests.contrasts
    samples = ctx.read_table("tables/samples.csv")
    resource = io.read_lr_resource(ctx.manifests.ligand_receptor.resources.names)
    print(f"{adata.n_obs:,} cells, {len(resource):,} pairs")
    for name in ("ligrec_crs_anakinra", "ligrec_crs_no_anakinra"):
        s = split(next(c for c in manifest.contrast if c.id == name), manifest, samples)
        cells = cells_of(ctx, adata, s)
        start = now()
        scores = tl.ligand_receptor_scores(cells, groupby="population", resource=resource)
        side = dict(zip(s.patients, s.side, strict=True))
        table = tl.ligand_receptor_test(scores, side, contrast=("group", "reference"), name=name)
        n = len(scores.patients) * len(scores.pairs) * len(scores.senders) * len(scores.receivers)
        say(f"{name}: {cells.n_obs:,} cells, {n:,} scores, {len(table):,} tests", start)
        del cells
    start = now()
    InMemory(ctx).run([STEPS["ligrec"]])
    say("the whole step", start)


if __name__ == "__main__":
    main()
