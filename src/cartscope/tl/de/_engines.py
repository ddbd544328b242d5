"""Every engine, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cartscope.tl.de._deseq2 import DESEQ2
from cartscope.tl.de._limma import LIMMA_VOOM
from cartscope.tl.de._quasi import QUASI_LIKELIHOOD
from cartscope.tl.de._wilcoxon import WILCOXON

if TYPE_CHECKING:
    from cartscope.tl.de._method import Engine

DE_ENGINES: Final[dict[str, Engine]] = {
    engine.name: engine for engine in (DESEQ2, QUASI_LIKELIHOOD, LIMMA_VOOM, WILCOXON)
}
