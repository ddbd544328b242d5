"""A whole study in GEO's layout, with the truth beside it."""

from __future__ import annotations

import gzip
import tempfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from cartscope.simulate._arguments import cells_of, jobs_of, strength_of
from cartscope.simulate._design import COMPARATOR, NEW, Library, libraries
from cartscope.simulate._effect_tables import effects_table, genes_table
from cartscope.simulate._library import simulate_library
from cartscope.simulate._sizes import library_sizes
from cartscope.simulate._tables import grades_table, sample_row
from cartscope.simulate._write import _gzip, features_text, member_name, write_library, write_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def simulate(
    out: Path | str,
    *,
    cells: int | Literal["paper"] = 20_000,
    seed: int = 0,
    null: bool = False,
    effect: float = 1.0,
    failed_library: bool = False,
    n_jobs: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> None:
    """Write a simulated study in the layout of GEO's series, with the truth about every cell.

    Parameters
    ----------
    out
        Folder to write. Gets ``geo/series/...`` (RAW.tar, filelist.txt, SOFT family file of both
        series), ``truth/`` (cells.csv.gz, samples.csv, effects.csv, genes.csv), ``grades.csv``.
        Files of an earlier simulation there are replaced.
    cells
        Sound cells of the whole study, 1,000 or more, or ``"paper"`` for the published 205,873.
        Doublets, dying cells and nearly empty droplets, about a tenth, come on top.
    seed
        The same seed gives the same bytes, whatever ``n_jobs`` is.
    null
        Plant no effect. Expansion still differs by CRS grade, without any effect in CAR-negative
        T cells: what undetected CAR T cells can do to a comparison is to be seen.
    effect
        Factor on the strength of every planted effect.
    failed_library
        Make one CAR-sorted library fail.
    n_jobs
        Libraries drawn at a time.
    progress
        Called with libraries done, libraries in all, and the name of the last.

    Returns
    -------
    Nothing; the study is written to ``out``.

    Raises
    ------
    InputError
        If an argument is impossible.

    Examples
    --------
    >>> import cartscope as cs
    >>> cs.simulate.simulate("study", cells=2000)  # doctest: +SKIP
    """
    total, n_jobs = cells_of(cells), jobs_of(n_jobs)
    strength = strength_of(effect, null=null)
    out = Path(out)
    sizes = library_sizes(total, random_state=seed, failed_library=failed_library)
    every = libraries(failed_library=failed_library)
    features = _gzip(features_text())
    (out / "truth").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    with (
        tempfile.TemporaryDirectory(dir=out, prefix=".partial-") as scratch,
        (out / "truth" / "cells.csv.gz").open("wb") as raw,
        gzip.GzipFile("", "wb", 4, raw, mtime=0) as cells_file,
        ThreadPoolExecutor(n_jobs) as pool,
    ):

        def work(lib: Library) -> tuple[Library, Path, pd.DataFrame, float]:
            made = simulate_library(lib, sizes[lib.sample_id], strength=strength, random_state=seed)
            path = Path(scratch) / member_name(lib)
            write_library(
                path,
                lib,
                counts=made.counts,
                barcodes=made.truth["barcode"].to_numpy(),
                features=features,
            )
            return lib, path, made.truth, made.ambient_share

        def stream_of(accession: str) -> Iterator[tuple[Library, Path]]:
            mine = [lib for lib in every if lib.patient.study == accession]
            for lib, path, truth, ambient in _in_order(pool, work, mine, ahead=n_jobs + 1):
                text = truth.to_csv(index=False, header=not rows)
                cells_file.write(text.encode())
                rows.append(sample_row(lib, truth, ambient=ambient))
                if progress is not None:
                    progress(len(rows), len(every), lib.sample_id)
                yield lib, path

        for accession in (NEW, COMPARATOR):
            write_series(out, accession, stream_of(accession))
    samples = pd.DataFrame(rows)
    samples.to_csv(out / "truth" / "samples.csv", index=False)
    effects_table(strength).to_csv(out / "truth" / "effects.csv", index=False)
    genes_table(strength).to_csv(out / "truth" / "genes.csv", index=False)
    grades_table().to_csv(out / "grades.csv", index=False)


def _in_order(pool: ThreadPoolExecutor, work: Callable, items: list, *, ahead: int) -> Iterator:
    """Map with at most ``ahead`` results waiting, so that memory and disk stay bounded."""
    waiting: deque[Future] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
