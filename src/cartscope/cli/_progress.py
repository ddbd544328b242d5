"""Progress on a terminal; plain and short lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cartscope.study._model import Step
    from cartscope.study._run import Event


class Progress:
    """Shows which step runs; quiet when not a terminal, but for one line per finished step.

    Parameters
    ----------
    total
        Number of steps.
    """

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        self._start = time.perf_counter()
        self._bar = tqdm(
            total=total,
            disable=not sys.stderr.isatty(),
            bar_format="{desc:<44} {bar} {n_fmt}/{total_fmt} [{elapsed}]",
            leave=False,
        )

    def __call__(self, event: Event, step: Step) -> None:
        """Take note of an event.

        Parameters
        ----------
        event
            What happened.
        step
            To which step.
        """
        if event == "started":
            self._start = time.perf_counter()
            self._bar.set_description_str(step.title)
            return
        if event == "finished" and self._bar.disable and not step.name.startswith("figure"):
            seconds = time.perf_counter() - self._start
            print(f"{step.name:<14} {seconds:7.1f} s  {step.title}", file=sys.stderr)
        self._bar.update()

    def close(self) -> None:
        """Clear the bar."""
        self._bar.close()
