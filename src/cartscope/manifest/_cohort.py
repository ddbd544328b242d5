"""Which series make the study, and what a sample table may say: ``cohort.toml``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)

from pydantic import Field

from cartscope.manifest._base import Model, load_toml


class Cohort(Model):
    """The study as a whole."""

    title: str
    doi: str = Field(pattern=r"^10\.")
    series: tuple[str, ...] = Field(min_length=1)
    default_cells: int = Field(ge=2000)
    # columns that are outcomes or treatments: never a batch key
    protected: tuple[str, ...]
    # time points whose libraries hold almost only T cells: doublets are not scored there
    doublets_skip_timepoints: tuple[str, ...]
    # time points before the CAR T cells are in the blood: no cell can be CAR-positive
    car_absent_timepoints: tuple[str, ...]
    # genes that cluster cells by patient, clone or contamination: names or regular expressions
    clustering_blacklist: tuple[str, ...]
    caveats: dict[str, str]


def read_cohort_manifest(path: Path | str) -> Cohort:
    """Read ``cohort.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The cohort.

    Raises
    ------
    ManifestError
        If a key is unknown or a value impossible.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir, read_cohort_manifest
    >>> read_cohort_manifest(manifest_dir() / "cohort.toml").series
    ('GSE246490', 'GSE197268')
    """
    return load_toml(path, Cohort)
