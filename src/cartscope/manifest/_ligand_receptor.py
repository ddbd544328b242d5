"""Which ligand-receptor tables are used, and the pairs that claims name."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)

from pydantic import Field

from cartscope.manifest._base import Model, load_toml


class MeasuredWith(Model):
    """The file whose numbers stand in the manifest."""

    liana: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    pairs: dict[str, int]
    union: int = Field(gt=0)


class LigandReceptorResources(Model):
    """Resources that are united."""

    names: tuple[str, ...] = Field(min_length=1)
    measured_with: MeasuredWith
    why: str = Field(min_length=3)


class LigandReceptorCandidates(Model):
    """Whose differential expression picks pairs, in presets that pick by it."""

    outcomes: tuple[str, ...] = Field(min_length=1)
    why: str = Field(min_length=3)


class LigandReceptorPair(Model):
    """A pair that a claim names."""

    ligand: str = Field(min_length=1)
    receptor: str = Field(min_length=1)
    databases: tuple[str, ...]
    source: str
    targets: tuple[str, ...] = Field(min_length=1)
    claims: tuple[str, ...]

    @property
    def name(self) -> str:
        """The pair as tables of effects spell it, CXCL10_CXCR3."""
        return f"{self.ligand}_{self.receptor}"


class LigandReceptorManifest(Model):
    """``ligand_receptor.toml``."""

    resources: LigandReceptorResources
    candidates: LigandReceptorCandidates
    pair: tuple[LigandReceptorPair, ...] = ()


def read_ligand_receptor(path: Path | str) -> LigandReceptorManifest:
    """Read ``ligand_receptor.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The validated, frozen manifest.

    Raises
    ------
    ManifestError
        If the file is missing or holds an unknown key or an impossible value.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir
    >>> manifest = read_ligand_receptor(manifest_dir() / "ligand_receptor.toml")
    >>> [pair.name for pair in manifest.pair]
    ['CXCL10_CXCR3', 'CXCL10_DPP4', 'RETN_CAP1']
    """
    return load_toml(path, LigandReceptorManifest)
