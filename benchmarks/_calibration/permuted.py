"""One run with its patients on other sides: every test of every contrast done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _calibration.whole import group_sizes
from cartscope._errors import InputError
from cartscope.study import Settings
from cartscope.study._context import Context
from cartscope.study._registry import annotating_before
from cartscope.study.comparisons._groups import split
from cartscope.study.redo._permuted import SAMPLES, permuted_sides, rerun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

SLOW = frozenset({"de", "gsea"})
QUICK = {"gsea": {"collections": ("study",)}}  # the sets that claims name


def open_run(out: Path, *, seed: int) -> tuple[Context, dict[str, tuple[int, int]]]:
    """Return a finished run and the numbers of patients of its de contrasts."""
    ctx = Context(Settings(out=out, data=str(out), seed=seed), annotating_before=annotating_before)
    return ctx, group_sizes(ctx)


def permutations(
    ctx: Context, *, n_quick: int, n_slow: int, seed: int, only: list[str] | None = None
) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Yield contrast, number and sides, contrasts in turn so that a stopped run has some of all."""
    samples = ctx.read_table(SAMPLES)
    manifest = ctx.manifests.contrasts
    waiting = []
    for contrast in manifest.contrast:
        s = split(contrast, manifest, samples)
        n = n_slow if SLOW & set(contrast.analyses) else n_quick
        if s.reason or (only is not None and contrast.id not in only):
            continue
        try:
            sides = permuted_sides(s, samples, n=n, random_state=seed)
        except InputError:
            continue
        waiting.append((contrast.id, enumerate(sides)))
    while waiting:
        left = []
        for contrast_id, sides in waiting:
            found = next(sides, None)
            if found is not None:
                left.append((contrast_id, sides))
                yield contrast_id, *found
        waiting = left


def tables_of(ctx: Context, contrast: str, sides: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Return the tables of one contrast with its patients on these sides."""
    return rerun(ctx, contrast, sides, preset=QUICK)
