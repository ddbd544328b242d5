"""All manifests of a run, each read once when it is first needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cartscope import manifest as m
from cartscope._check import one_of
from cartscope._errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Manifests:
    """Manifests of the user's folder where it has them, else the ones that came with cartscope."""

    folder: Path | None = None

    def file(self, name: str) -> Path:
        """Return where one manifest lies.

        Parameters
        ----------
        name
            Path below ``data_manifests``, for instance ``"contrasts.toml"``.
        """
        own = self.folder / name if self.folder is not None else None
        if own is not None and own.exists():
            return own
        shipped = m.manifest_dir() / name
        if not shipped.exists():
            msg = f"{name}: no such manifest in {self.folder or m.manifest_dir()}."
            raise ManifestError(msg)
        return shipped

    def check(self) -> None:
        """Read every manifest, so that a mistake is found before anything is computed."""
        if self.folder is not None:
            shipped = m.manifest_dir()
            known = sorted(p.relative_to(shipped).as_posix() for p in shipped.rglob("*.*"))
            for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
                one_of(
                    path.relative_to(self.folder).as_posix(), known, name=f"{self.folder}: manifest"
                )
        for name in ("published", "recommended"):
            self.preset(name)
        _ = self.cohort, self.annotation, self.contrasts, self.claims, self.rules
        _ = self.gene_set_notes, self.series, self.calibration
        _ = self.ligand_receptor, self.supplement

    def bytes_of(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the bytes of manifests, folders included, by name.

        Parameters
        ----------
        names
            Paths below ``data_manifests``.
        """
        out: dict[str, bytes] = {}
        for name in names:
            path = self.file(name)
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            for file in files:
                key = name if file == path else f"{name}/{file.relative_to(path).as_posix()}"
                out[key] = file.read_bytes()
        return out

    @cached_property
    def cohort(self) -> m.Cohort:
        """``cohort.toml``."""
        return m.read_cohort_manifest(self.file("cohort.toml"))

    @cached_property
    def annotation(self) -> m.Annotation:
        """``annotation.toml``."""
        return m.read_annotation(self.file("annotation.toml"))

    @cached_property
    def series(self) -> tuple[m.GeoSeries, ...]:
        """The GEO series of the study, in the order of ``cohort.toml``."""
        return tuple(m.read_geo_series(self.file(f"{a}.toml")) for a in self.cohort.series)

    @cached_property
    def contrasts(self) -> m.Contrasts:
        """``contrasts.toml``."""
        return m.read_contrasts(self.file("contrasts.toml"))

    @cached_property
    def claims(self) -> tuple[m.Claim, ...]:
        """``claims.toml``."""
        return m.read_claims(self.file("claims.toml"))

    @cached_property
    def calibration(self) -> m.Calibration:
        """``calibration.toml`` and ``calibration.csv``."""
        return m.read_calibration(self.file("calibration.toml"), self.file("calibration.csv"))

    @cached_property
    def ligand_receptor(self) -> m.LigandReceptorManifest:
        """``ligand_receptor.toml``."""
        return m.read_ligand_receptor(self.file("ligand_receptor.toml"))

    @cached_property
    def gene_set_notes(self) -> m.GeneSetNotes:
        """``gene_sets/notes.toml``."""
        return m.read_gene_set_notes(self.file("gene_sets/notes.toml"))

    @cached_property
    def rules(self) -> tuple[m.Rule, ...]:
        """``biomarker_rules.toml``."""
        return m.read_rules(self.file("biomarker_rules.toml"))

    @cached_property
    def supplement(self) -> m.Supplement:
        """``supplement.toml``."""
        return m.read_supplement(self.file("supplement.toml"))

    def preset(self, name: str) -> m.Preset:
        """Return a preset by name.

        Parameters
        ----------
        name
            ``"published"`` or ``"recommended"``.
        """
        return m.read_preset(self.file(f"params/{name}.toml"))
