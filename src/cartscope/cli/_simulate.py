"""Write a simulated study in GEO's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cartscope.cli._options import cores, number_of_cells


def simulate(
    *,
    out: Annotated[Path, typer.Option(help="New folder for the study.")],
    cells: Annotated[str, typer.Option(help="Number of cells, or `paper`.")] = "24000",
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    null: Annotated[bool, typer.Option("--null", help="Plant no effect.")] = False,
    jobs: Annotated[int, typer.Option(help="Processes to use. [default: all cores]")] = 0,
) -> None:
    """Simulate a study of the published shape, with the truth beside it."""
    from cartscope._errors import InputError
    from cartscope.simulate import simulate as write_study

    number = number_of_cells(cells)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"--out {out}: it is there and not empty; name a new folder."
        raise InputError(msg)
    write_study(out, cells=number, seed=seed, null=null, n_jobs=jobs or cores())
    print(f"SIMULATED study of {number:,} cells in {out}")
