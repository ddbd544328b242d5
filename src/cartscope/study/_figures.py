"""Every panel is a step of the road: drawn when its needs change, never otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cartscope.study._model import FigureSpec, NotDrawable, Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MplFigure

    from cartscope.study._context import Context

_SAMPLES = "tables/samples.csv"
_DE_TESTS = {
    "quasi_likelihood": "negative binomial quasi-likelihood, moderated t",
    "deseq2": "DESeq2, Wald test",
    "limma_voom": "limma-voom, moderated t",
    "wilcoxon": "exact rank test on log counts per million",
}


def figure_step(spec: FigureSpec) -> Step:
    """Return the step that draws a panel.

    Parameters
    ----------
    spec
        The panel.
    """

    def run(ctx: Context) -> None:
        _draw(ctx, spec)

    return Step(
        name=f"figure {spec.id}",
        title=f"Figure {spec.id}",
        needs=tuple(dict.fromkeys((*spec.needs, _SAMPLES))),
        makes=figure_files(spec.id),
        params=(*spec.params, *(("de",) if "{de}" in spec.note else ())),
        manifests=("contrasts.toml", "claims.toml", "annotation.toml", "ligand_receptor.toml"),
        module=spec.module,
        run=run,
    )


def figure_files(panel: str) -> tuple[str, str, str]:
    """Return the artifacts of a panel: PDF, PNG and source data.

    Parameters
    ----------
    panel
        Its id, ``"6C"`` say.
    """
    name = f"fig{panel.lower()}"
    return f"figures/{name}.pdf", f"figures/{name}.png", f"figures/source_data/{name}.csv"


def _draw(ctx: Context, spec: FigureSpec) -> None:
    from matplotlib import pyplot as plt

    from cartscope import io, pl
    from cartscope.study._simulated import MARK, is_simulated

    pdf, png, csv = figure_files(spec.id)
    open_before = set(plt.get_fignums())
    with pl.style():
        note = _note(spec, ctx)
        try:
            figure, source = spec.draw(ctx)
        except NotDrawable as answer:
            (figure, source), note = _say_why(spec, str(answer)), ""
        try:
            if note:
                pl.footnote(figure, note)
            if is_simulated(ctx):
                pl.stamp(figure, MARK)
            with ctx.writing(pdf) as temporary:
                # a creation date would make every run's bytes different
                figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
            with ctx.writing(png) as temporary:
                figure.savefig(temporary, format="png")
        finally:
            # a panel that gave up half way has left its axes open
            for number in set(plt.get_fignums()) - open_before:
                plt.close(number)
    with ctx.writing(csv) as temporary:
        io.write_table(source, temporary)


def _note(spec: FigureSpec, ctx: Context) -> str:
    engine = ctx.preset.values("de")["engine"]
    test = _DE_TESTS.get(engine, engine)
    if spec.note.startswith("{de}"):
        test = test[:1].upper() + test[1:]
    return spec.note.replace("{de}", test)


def _say_why(spec: FigureSpec, reason: str) -> tuple[MplFigure, pd.DataFrame]:
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(3.4, 1.6), layout="constrained")
    ax.set_axis_off()
    text: dict[str, Any] = {"ha": "center", "va": "center", "wrap": True}
    ax.text(0.5, 0.75, f"{spec.id} cannot be drawn", weight="bold", **text)
    ax.text(0.5, 0.35, reason, **text)
    return figure, pd.DataFrame({"reason": [reason]})
