"""The comparisons of the study: ``contrasts.toml``."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)
from typing import Literal

from pydantic import Field, model_validator

from cartscope.manifest._base import Model, load_toml

Analysis = Literal["de", "gsea", "composition", "cycling", "ligrec"]
Value = bool | int | float | str


class Condition(Model):
    """One requirement on one obs column; a missing value satisfies none."""

    column: str
    min: float | None = None
    max: float | None = None
    equals: Value | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if self.min is None and self.max is None and self.equals is None:
            msg = f"the condition on {self.column!r} needs one of min, max, equals"
            raise ValueError(msg)
        return self


class Outcome(Model):
    """A split of patients into a group and its reference."""

    label: tuple[str, str]
    group: tuple[Condition, ...] = Field(min_length=1)
    reference: tuple[Condition, ...] = Field(min_length=1)
    needs: Literal["grades", "response", "clinical"] | None = None
    within_patient: bool = False


class Population(Model):
    """Which cells; ``libraries`` says whether CAR-sorted ones may feed it."""

    label: str
    where: dict[str, tuple[str, ...]]
    libraries: Literal["unsorted", "all"]


class Fit(Model):
    """One model of one population, on which several contrasts are tested."""

    population: str
    samples: dict[str, tuple[Value, ...]]
    outcome: str
    design: str
    why: str
    restrict: tuple[str, ...] = ()


class Contrast(Model):
    """One comparison between patients."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    samples: dict[str, tuple[Value, ...]]
    outcome: str
    analyses: tuple[Analysis, ...] = Field(min_length=1)
    why: str
    population: str | None = None
    senders: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    design: str | None = None
    fit: str | None = None
    at: dict[str, Value] = Field(default_factory=dict)
    interaction: str | None = None
    restrict: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    caveat: str = ""

    @model_validator(mode="after")
    def _fits_its_analyses(self) -> Contrast:
        if "ligrec" in self.analyses:
            if not (self.senders and self.receivers):
                msg = "a ligrec contrast needs senders and receivers"
                raise ValueError(msg)
        elif self.population is None:
            msg = "population is missing; name one of [population.*]"
            raise ValueError(msg)
        if "composition" in self.analyses and not self.parts:
            msg = "a composition contrast needs parts, the obs columns whose shares are compared"
            raise ValueError(msg)
        if {"de", "gsea"} & set(self.analyses) and self.design is None:
            msg = 'a de or gsea contrast needs a design, for instance "~ group"'
            raise ValueError(msg)
        if "gsea" in self.analyses and "de" not in self.analyses:
            msg = "gsea ranks the genes of de: add de to analyses"
            raise ValueError(msg)
        if (self.at or self.fit) and "de" not in self.analyses:
            msg = "fit and at are for de contrasts: add de to analyses, or leave them out"
            raise ValueError(msg)
        if self.fit and bool(self.at) == bool(self.interaction):
            msg = (
                "a contrast on a fit says either where its effect is read, "
                "for instance at = { anakinra = true }, or interaction"
            )
            raise ValueError(msg)
        if odd := {"group", "patient"} & set(self.strata):
            msg = f"strata names {sorted(odd)}, within which nobody is left to compare with"
            raise ValueError(msg)
        if self.strata and not {"gsea", "composition", "cycling", "ligrec"} & set(self.analyses):
            msg = (
                "strata are for tests of one value per patient; a de contrast has a design instead"
            )
            raise ValueError(msg)
        if self.at and not self.fit:
            msg = "at says where on a shared fit an effect is read: name the fit"
            raise ValueError(msg)
        return self

    def uses(self) -> tuple[str, ...]:
        """Return the populations the contrast reads."""
        own = (self.population,) if self.population else ()
        return tuple(dict.fromkeys((*own, *self.senders, *self.receivers)))


class Contrasts(Model):
    """The whole of ``contrasts.toml``."""

    outcome: dict[str, Outcome]
    population: dict[str, Population]
    contrast: tuple[Contrast, ...]
    fit: dict[str, Fit] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_exist(self) -> Contrasts:
        seen: set[str] = set()
        for name, fit in self.fit.items():
            self._check_names(f"fit {name!r}", (fit.outcome, *fit.restrict), (fit.population,))
        for c in self.contrast:
            if c.id in seen:
                msg = f"two contrasts are called {c.id!r}; rename one"
                raise ValueError(msg)
            seen.add(c.id)
            self._check_names(f"contrast {c.id!r}", (c.outcome, *c.restrict), c.uses())
            if c.fit is not None:
                self._check_fit(c, c.fit)
        return self

    def _check_names(
        self, who: str, outcomes: tuple[str, ...], populations: tuple[str, ...]
    ) -> None:
        for outcome in outcomes:
            if outcome not in self.outcome:
                msg = f"{who} names outcome {outcome!r}; known: {list(self.outcome)}"
                raise ValueError(msg)
        for population in populations:
            if population not in self.population:
                msg = f"{who} names population {population!r}; known: {list(self.population)}"
                raise ValueError(msg)

    def _check_fit(self, c: Contrast, name: str) -> None:
        if name not in self.fit:
            msg = f"contrast {c.id!r} names fit {name!r}; known: {list(self.fit)}"
            raise ValueError(msg)
        fit = self.fit[name]
        for key in ("population", "outcome", "restrict"):
            if getattr(c, key) != getattr(fit, key):
                msg = (
                    f"contrast {c.id!r} and its fit {name!r} differ in {key}: "
                    f"{getattr(c, key)!r} and {getattr(fit, key)!r}"
                )
                raise ValueError(msg)
        outside = [
            k
            for k, v in fit.samples.items()
            if not set(c.samples.get(k, ())) or not set(c.samples[k]) <= set(v)
        ]
        if outside:
            msg = f"contrast {c.id!r} has samples that its fit {name!r} leaves out, by {outside}"
            raise ValueError(msg)
        words = set(re.findall(r"\w+", fit.design))
        absent = [k for k in (*c.at, c.interaction) if k and k not in words]
        if absent:
            msg = f"contrast {c.id!r} names {absent}, which {fit.design!r} does not have"
            raise ValueError(msg)

    def by_analysis(self, analysis: Analysis) -> tuple[Contrast, ...]:
        """Return the contrasts that ask for one analysis, in file order.

        Parameters
        ----------
        analysis
            Name of the analysis.
        """
        return tuple(c for c in self.contrast if analysis in c.analyses)


def read_contrasts(path: Path | str) -> Contrasts:
    """Read ``contrasts.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Outcomes, populations and contrasts, in file order.

    Raises
    ------
    ManifestError
        If a key is unknown, a value impossible or a name without its table.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_contrasts
    >>> "crs" in read_contrasts(manifest_dir() / "contrasts.toml").outcome
    True
    """
    return load_toml(path, Contrasts)
