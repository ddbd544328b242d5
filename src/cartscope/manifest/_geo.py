"""One GEO series: its files, its samples and how a sample's title is read: ``GSE*.toml``."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)
from typing import Literal

from pydantic import Field, field_validator, model_validator

from cartscope.manifest._base import Model, load_toml
from cartscope.manifest._titles import Pattern, Reading, read_title

Status = Literal["confirmed", "unconfirmed"]


class GeoFile(Model):
    """One file of the series on GEO's server; ``{accession}`` may stand in its name."""

    folder: Literal["suppl", "soft", "matrix"]
    name: str
    required: bool = True


class GeoSample(Model):
    """A sample whose accession and title have been seen."""

    gsm: str = Field(pattern=r"^GSM[A-Z0-9]+$")
    title: str = Field(min_length=1)
    patient: str = ""
    type: str = ""
    product: str = ""


class Fact(Model):
    """Values of one column of the sample table, by sample title or by patient number."""

    column: Literal["pool", "channel", "response", "sex", "crs_grade", "nt_grade"]
    by: Literal["title", "patient"]
    source: str = Field(min_length=3)
    values: dict[str, str]


class NotUsed(Model):
    """Samples that the study leaves out and why: all that a rule names must fit.

    ``title`` and ``file`` are regular expressions on the sample's title and its file's name.
    """

    reason: str = Field(min_length=3)
    title: str = ""
    file: str = ""
    product: str = ""

    @model_validator(mode="after")
    def _says_which(self) -> NotUsed:
        if not (self.title or self.file or self.product):
            msg = "not_used needs title or file (regular expressions) or product"
            raise ValueError(msg)
        return self

    @field_validator("title", "file")
    @classmethod
    def _compiles(cls, value: str) -> str:
        _compile(value)
        return value

    def fits(self, title: str, file: str, product: str) -> bool:
        """Tell whether the rule names a sample.

        Parameters
        ----------
        title
            The sample's title.
        file
            Its file's name.
        product
            Its product.
        """
        return (
            bool(not self.title or re.search(self.title, title))
            and bool(not self.file or re.search(self.file, file))
            and self.product in {"", product}
        )


class CarFeature(Model):
    """Name of the CAR transcript in the count matrices of one product."""

    name: str = Field(pattern=r"^\S+$")
    product: str
    status: Status


class Timepoint(Model):
    """A time point's day, where it is known, and whether the study uses it."""

    day: float | None = None


class GeoSeries(Model):
    """One GEO series."""

    accession: str = Field(pattern=r"^GSE[0-9]+$")
    title: str
    paper: str
    product: str
    patient_format: str
    anakinra: bool | None = None
    unknown: tuple[str, ...] = ()
    file: tuple[GeoFile, ...] = Field(min_length=1)
    car_feature: tuple[CarFeature, ...]
    timepoint: dict[str, Timepoint]
    pattern: tuple[Pattern, ...] = Field(min_length=1)
    not_used: tuple[NotUsed, ...] = ()
    fact: tuple[Fact, ...] = ()
    sample: tuple[GeoSample, ...] = ()

    @field_validator("patient_format")
    @classmethod
    def _has_a_place_for_the_patient(cls, value: str) -> str:
        if "{n}" not in value:
            msg = 'must hold {n}, for instance "GSE197268-{n}"'
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _is_consistent(self) -> GeoSeries:
        for name, values in (
            ("gsm", [s.gsm for s in self.sample]),
            ("title", [s.title for s in self.sample]),
        ):
            twice = sorted({v for v in values if values.count(v) > 1})
            if twice:
                msg = f"samples share a {name}: {twice}; correct one of each"
                raise ValueError(msg)
        for p in self.pattern:
            if p.field == "timepoint" and p.value not in self.timepoint:
                msg = (
                    f"a pattern reads time point {p.value!r}, which has no [timepoint.{p.value}]; "
                    f"known: {list(self.timepoint)}"
                )
                raise ValueError(msg)
        for s in self.sample:
            read = self.read(s.title)
            if s.patient and read.patient != s.patient:
                msg = (
                    f"sample {s.gsm} {s.title!r} is of patient {s.patient!r}, but the patterns "
                    f"read patient {read.patient!r}; correct the sample or the pattern"
                )
                raise ValueError(msg)
        return self

    def read(self, title: str) -> Reading:
        """Read a sample's title, or the stem of its file's name, by the patterns.

        Parameters
        ----------
        title
            What to read.

        Returns
        -------
        What the title says; what it does not say is empty.
        """
        return read_title(self.pattern, title)

    def patient_id(self, number: str) -> str:
        """Return a patient's name, unique over studies.

        Parameters
        ----------
        number
            The patient as the title has it.
        """
        return self.patient_format.replace("{n}", number)

    def why_not_used(self, title: str, *, file: str = "", product: str = "") -> str:
        """Return why the study leaves a sample out, or an empty text.

        Parameters
        ----------
        title
            The sample's title.
        file
            Its file's name.
        product
            Its product.
        """
        return next((r.reason for r in self.not_used if r.fits(title, file, product)), "")

    def car_features(self, product: str) -> tuple[str, ...]:
        """Return the names of the CAR features to look for in a product's samples.

        Parameters
        ----------
        product
            The sample's product; empty means any.
        """
        return tuple(f.name for f in self.car_feature if product in {"", f.product})

    def facts_of(self, title: str, number: str) -> dict[str, str]:
        """Return the known values of a sample, by its title and its patient.

        Parameters
        ----------
        title
            The sample's title.
        number
            The patient as the title has it.
        """
        found = {}
        for fact in self.fact:
            value = fact.values.get(title if fact.by == "title" else number, "")
            if value:
                found[fact.column] = value
        return found


def _compile(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"not a regular expression: {error}"
        raise ValueError(msg) from error


def read_geo_series(path: Path | str) -> GeoSeries:
    """Read the manifest of one GEO series.

    Parameters
    ----------
    path
        The file, for instance ``GSE197268.toml``.

    Returns
    -------
    The series.

    Raises
    ------
    ManifestError
        If a key is unknown, a value impossible, or a known sample contradicts the patterns.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir
    >>> from cartscope.manifest._geo import read_geo_series
    >>> series = read_geo_series(manifest_dir() / "GSE197268.toml")
    >>> len(series.sample), series.patient_id(series.read("Patient6-D7-CART").patient)
    (109, 'GSE197268-6')
    """
    return load_toml(path, GeoSeries)
