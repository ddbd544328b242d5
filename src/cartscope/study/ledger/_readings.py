"""Claims on which the paper contradicts itself: every reading, and what each comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cartscope.study.judges._verdicts import INCONSISTENT, NOT_TESTABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cartscope.manifest import Claim
    from cartscope.study._model import Judgement


def by_reading(claim: Claim, found: Judgement, *, judge: Callable[[Claim], Judgement]) -> Judgement:
    """Judge every reading of a claim; on real data only.

    Parameters
    ----------
    claim
        The claim.
    found
        What was judged of the claim as it stands.
    judge
        Judges a claim on the run's tables.

    Returns
    -------
    ``found``, with the verdict "inconsistent in the source" where the readings come to different
    verdicts or no table can tell them apart, and all of them in the reason.
    """
    asked = [r for r in claim.readings if r.direction or r.contrasts]
    if not claim.readings or (asked and found.verdict == NOT_TESTABLE):
        return found
    if not asked:
        said = "; ".join(f"{r.where}: {r.says}" for r in claim.readings)
        return replace(found, verdict=INCONSISTENT, reason=f"{said}; {found.reason}")
    verdicts, said = set(), []
    for reading in asked:
        evidence = tuple(
            e.model_copy(
                update={
                    "direction": reading.direction or e.direction,
                    "contrasts": reading.contrasts or e.contrasts,
                }
            )
            for e in claim.evidence
        )
        theirs = judge(claim.model_copy(update={"evidence": evidence}))
        verdicts.add(theirs.verdict)
        said.append(f"{reading.where}: {reading.says} - {theirs.verdict} ({theirs.reason})")
    if len(verdicts) == 1:
        return replace(found, reason=f"{found.reason}; by either reading: {'; '.join(said)}")
    return replace(found, verdict=INCONSISTENT, reason="; ".join(said))
