"""Walk the road: run what is not up to date, in order."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from cartscope._check import one_of
from cartscope.study._closing import SAMPLES, save_settings
from cartscope.study._context import Context
from cartscope.study._registry import all_steps, annotating_before, with_needs
from cartscope.study._run_record import Run, StepRecord, write_record
from cartscope.study._state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cartscope.study._model import Step
    from cartscope.study._settings import Settings

Event = Literal["skipped", "started", "finished"]


def reproduce(
    settings: Settings,
    *,
    only: Iterable[str] | None = None,
    notify: Callable[[Event, Step], None] | None = None,
) -> Run:
    """Walk the road from the data to the report, skipping what is up to date.

    Parameters
    ----------
    settings
        What the user chose; everything is written below ``settings.out``.
    only
        Names of steps to bring up to date, with all that they need; all steps if None.
    notify
        Called with ``"skipped"``, ``"started"`` or ``"finished"`` and the step.

    Returns
    -------
    What was run, how long it took, and the context to read results with.

    Raises
    ------
    CartscopeError
        If an input cannot be used; artifacts of earlier runs are left as they were.

    Examples
    --------
    >>> from cartscope.study import Settings, reproduce
    >>> run = reproduce(Settings(out="results", cells=20000))  # doctest: +SKIP
    """
    from threadpoolctl import threadpool_limits

    tell = notify or (lambda _event, _step: None)
    ctx = Context(settings, annotating_before=annotating_before)
    ctx.manifests.check()
    state = State(ctx)
    run = Run(ctx)
    started, finished = datetime.now(UTC), False
    try:
        for step in wanted_steps(only):
            fingerprint = state.fingerprint(step)
            if state.up_to_date(step, fingerprint):
                run.steps.append(StepRecord(step.name, skipped=True))
                tell("skipped", step)
                continue
            tell("started", step)
            start = time.perf_counter()
            # several BLAS threads give other bytes, and multiply with the workers of a step
            with threadpool_limits(limits=1, user_api="blas"):
                step.run(ctx)
            state.record(step, fingerprint)
            if SAMPLES in step.makes:
                save_settings(ctx)
            seconds = time.perf_counter() - start
            run.steps.append(
                StepRecord(step.name, skipped=False, seconds=seconds, peak_gb=_peak_gb())
            )
            tell("finished", step)
        save_settings(ctx)
        finished = True
    finally:
        if any(not s.skipped for s in run.steps):
            write_record(run, started=started, finished=finished)
    return run


def wanted_steps(only: Iterable[str] | None = None) -> list[Step]:
    """Return the steps to run, each after what it needs.

    Parameters
    ----------
    only
        Names of steps; all of them if None.
    """
    steps = all_steps()
    if only is None:
        return list(steps.values())
    wanted = with_needs(one_of(name, list(steps), name="step") for name in only)
    return [s for s in steps.values() if s.name in wanted]


def _peak_gb() -> float:
    try:
        import resource
    except ImportError:  # Windows has no resource module
        return float("nan")
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)
