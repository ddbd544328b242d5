"""What there is: steps, figures, contrasts, claims and rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

list_app = typer.Typer(help="List what there is.", no_args_is_help=True)
ManifestDir = Annotated[Path | None, typer.Option(help="Folder of manifests that replace ours.")]


def _print_columns(rows: Iterable[tuple[str, ...]]) -> None:
    rows = [tuple(str(cell) for cell in row) for row in rows]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


@list_app.command()
def steps() -> None:
    """List the steps of the road, in order."""
    from cartscope.study import all_steps

    _print_columns((s.name, s.title) for s in all_steps().values())


@list_app.command()
def figures() -> None:
    """List the panels, in the order of the paper."""
    from cartscope.study import Manifests, all_figures

    _print_columns((f.id, f.title) for f in all_figures().values())
    for left_out in Manifests().supplement.left_out:
        print(f"not drawn: {', '.join(left_out.panels)}: {left_out.why}")


@list_app.command()
def contrasts(manifests: ManifestDir = None) -> None:
    """List the comparisons."""
    from cartscope.study import Manifests

    table = Manifests(manifests).contrasts.contrast
    _print_columns((c.id, " ".join(c.analyses), c.outcome, c.why) for c in table)


@list_app.command()
def claims(manifests: ManifestDir = None) -> None:
    """List the claims, and what data each needs."""
    from cartscope.study import Manifests

    table = Manifests(manifests).claims
    _print_columns((c.id, c.kind, c.data, c.panel) for c in table)


@list_app.command()
def rules(manifests: ManifestDir = None) -> None:
    """List the published biomarker rules."""
    from cartscope.study import Manifests

    _print_columns((r.id, r.kind, r.source) for r in Manifests(manifests).rules)
