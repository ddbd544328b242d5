"""``run.json``: what a run cost, where and when; outside the same-bytes promise."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cartscope import __version__

if TYPE_CHECKING:
    from cartscope.study._context import Context

RECORD = "run.json"
UNFINISHED = "work/run.json"  # a stopped run leaves the record of the last whole one alone


@dataclass
class StepRecord:
    """What one step cost; outside the same-bytes promise."""

    name: str
    skipped: bool
    seconds: float = 0.0
    peak_gb: float = 0.0


@dataclass
class Run:
    """A finished run."""

    context: Context
    steps: list[StepRecord] = field(default_factory=list)


def write_record(run: Run, *, started: datetime, finished: bool) -> None:
    """Write run.json.

    Parameters
    ----------
    run
        The run so far.
    started
        When it started.
    finished
        Whether it came to its end.
    """
    settings = run.context.settings
    content = {
        "started": started.isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": finished,
        "cartscope": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "jobs": settings.jobs,
        "settings": {name: str(value) for name, value in asdict(settings).items()},
        "seconds": round(sum(s.seconds for s in run.steps), 2),
        "peak_gb": round(max((s.peak_gb for s in run.steps), default=0.0), 3),
        "steps": [asdict(s) for s in run.steps],
    }
    with run.context.writing(RECORD if finished else UNFINISHED) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
