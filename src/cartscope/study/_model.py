"""The nouns of the study: steps make artifacts, figures need them, judges weigh claims."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure as MplFigure

    from cartscope.manifest import Claim, Evidence
    from cartscope.study._context import Context
    from cartscope.study.comparisons._weighted import WeightedStatistic

    Pairs = Sequence[tuple[Claim, Evidence]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One stage of the road.

    ``needs`` and ``makes`` are artifacts: paths relative to ``--out``. A step runs again when one
    of its needs, its parameters, its manifests, the settings it reads or the code has changed.
    """

    name: str
    title: str
    makes: tuple[str, ...]
    run: Callable[[Context], None]
    needs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()  # sections of the preset
    manifests: tuple[str, ...] = ()  # files of data_manifests
    settings: tuple[str, ...] = ()  # fields of Settings that change the result
    seeded: bool = False
    # what else decides the result, for instance the bytes of the user's files
    inputs: Callable[[Context], Mapping[str, object]] | None = None
    # further artifacts, whose names are known only at run time
    also: Callable[[Context], Iterable[str]] | None = None
    module: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class FigureSpec:
    """One published panel.

    ``draw`` returns the figure and its source data; it raises NotDrawable with the reason where
    the data for the panel are not there. ``note`` is written under the panel: the test, its unit
    and what limits it; ``{de}`` stands for the preset's test of differential expression.
    """

    id: str
    title: str
    needs: tuple[str, ...]
    draw: Callable[[Context], tuple[MplFigure, pd.DataFrame]]
    claims: tuple[str, ...] = ()
    caption: str = ""
    note: str = ""
    params: tuple[str, ...] = ()  # sections of the preset that the panel itself reads
    module: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class EvidenceReader:
    """How one kind of table answers a claim.

    ``rows`` returns a table that follows ``CLAIMS_DETAIL``, one row per feature and contrast.
    What happens without a patient comes from ``weighted``, numbers by entry as functions of who
    counts, or from ``without``, rows of ``INFLUENCE`` for claims with their evidence.
    """

    table: str
    needs: tuple[str, ...]
    rows: Callable[[Context, Claim, Evidence], pd.DataFrame]
    effect: str  # what the effect column holds, with its unit
    test: str = ""  # how p comes about; empty where there is none
    floor: str = ""  # why there is no smallest attainable p, where there is none
    weighted: Callable[[Context, Claim, Evidence], dict[str, WeightedStatistic]] | None = None
    without: Callable[[Context, Pairs], Iterable[dict[str, Any]]] | None = None
    permuted: Callable[[Context, Pairs], Iterable[dict[str, Any]]] | None = None
    # rows by the tables of one preset, where both have tables
    by_preset: Callable[..., pd.DataFrame] | None = None  # as rows, and preset=


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How one kind of claim holds on real data."""

    kind: str
    judge: Callable[[Claim, pd.DataFrame], Judgement]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a judge found: one verdict for the claim and one per row of its detail."""

    verdict: str
    reason: str
    computed: str
    row_verdicts: tuple[str, ...] = ()
    row_reasons: tuple[str, ...] = ()


class NotDrawable(Exception):  # noqa: N818  (it is an answer, not an error)
    """A panel cannot be drawn; the message says why."""
