"""Steps, figures, claims and report of the study; all they know is read from data_manifests."""

from ._manifests import Manifests
from ._model import FigureSpec, NotDrawable, Step
from ._registry import all_evidence, all_figures, all_judges, all_steps
from ._run import reproduce, wanted_steps
from ._run_record import Run
from ._settings import PAPER_CELLS, Settings

__all__ = [
    "PAPER_CELLS",
    "FigureSpec",
    "Manifests",
    "NotDrawable",
    "Run",
    "Settings",
    "Step",
    "all_evidence",
    "all_figures",
    "all_judges",
    "all_steps",
    "reproduce",
    "wanted_steps",
]
