"""What a user chose for one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cartscope._errors import InputError

PRESETS = ("recommended", "published")
PAPER_CELLS = 205_873


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of ``cartscope reproduce``, checked where they can be checked alone."""

    out: Path = Path("results")
    data: str = "simulated"
    geo_dir: Path | None = None
    samples: Path | None = None
    grades: Path | None = None
    clinical: Path | None = None
    labels: Path | None = None
    car_features: tuple[str, ...] = ()
    manifests: Path | None = None
    cells: int | None = None
    preset: Literal["recommended", "published"] = "recommended"
    deep: bool = False
    jobs: int = 1
    engine: Literal["memory", "dask"] = "memory"
    scheduler: str | None = None
    seed: int = 0
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            msg = f"--preset is {self.preset!r}, but must be one of {list(PRESETS)}."
            raise InputError(msg)
        if self.jobs < 1:
            msg = f"--jobs is {self.jobs}, but must be 1 or more."
            raise InputError(msg)
        if self.seed < 0:
            msg = f"--seed is {self.seed}, but must be 0 or more."
            raise InputError(msg)
        for given, option, cure in self._not_there_yet():
            if given:
                msg = f"{option} is not there yet in this version: {cure}."
                raise InputError(msg)
        for option in ("samples", "grades", "labels"):
            path = getattr(self, option)
            if path is not None and not path.is_file():
                msg = f"--{option} {path}: no such file."
                raise InputError(msg)
        if self.manifests is not None and not self.manifests.is_dir():
            msg = f"--manifests {self.manifests}: no such folder."
            raise InputError(msg)

    def _not_there_yet(self) -> tuple[tuple[bool, str, str], ...]:
        dask = "every step runs in memory, leave it out"
        return (
            (self.engine != "memory", f"--engine {self.engine}", dask),
            (self.scheduler is not None, "--scheduler", dask),
            (
                self.clinical is not None,
                "--clinical",
                "claims that need the trial's patient table are not testable, leave it out",
            ),
        )
