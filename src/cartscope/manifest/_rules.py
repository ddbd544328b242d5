"""Published biomarker rules and associations: ``biomarker_rules.toml``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)
from typing import Literal

from pydantic import Field, model_validator

from cartscope.manifest._base import Model, load_toml


class RuleInput(Model):
    """One measurement a rule looks at, with its unit."""

    name: str
    unit: str
    min: float | None = None
    above: float | None = None
    cut: float | None = None
    series: bool = False


class Rule(Model):
    """A threshold rule, an association to test, or a model to fit on a cohort."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    kind: Literal["rule", "association", "model"]
    says: str
    source: str
    inputs: tuple[RuleInput, ...] = ()
    window_hours: tuple[float, float] | None = None
    outcome: str = ""
    criteria: tuple[str, ...] = ()
    criteria_needed: int | None = None
    criterion_grade_above: int | None = None
    markers: tuple[str, ...] = ()
    predictors: str = ""
    estimator: str = ""
    caution: str = ""

    @model_validator(mode="after")
    def _rules_have_inputs(self) -> Rule:
        if self.kind == "rule" and not self.inputs:
            msg = f"rule {self.id!r} needs inputs, each with a name and a unit"
            raise ValueError(msg)
        return self


class Rules(Model):
    """The whole of ``biomarker_rules.toml``."""

    rule: tuple[Rule, ...]


def read_rules(path: Path | str) -> tuple[Rule, ...]:
    """Read ``biomarker_rules.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The rules in file order.

    Raises
    ------
    ManifestError
        If a key is unknown or a value impossible.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_rules
    >>> {r.kind for r in read_rules(manifest_dir() / "biomarker_rules.toml")} >= {"rule"}
    True
    """
    return load_toml(path, Rules).rule
