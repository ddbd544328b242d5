"""What the gene sets of the claims mean."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic resolves annotations at run time)

from pydantic import Field, model_validator

from cartscope.manifest._base import Model, load_toml


class GeneSetNote(Model):
    """How to read an enrichment of one set."""

    name: str = Field(min_length=1)
    features: tuple[str, ...] = Field(min_length=1)
    primary: bool
    components: tuple[str, ...] = ()
    induced: tuple[str, ...] = ()
    inhibited: tuple[str, ...] = ()
    note: str = Field(min_length=3)
    source: str = Field(min_length=3)


class GeneSetNotes(Model):
    """``gene_sets/notes.toml``."""

    set: tuple[GeneSetNote, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_primary(self) -> GeneSetNotes:
        judged: dict[str, str] = {}
        for note in self.set:
            for feature in note.features if note.primary else ():
                if feature in judged:
                    msg = f"{feature!r} has two primary sets, {judged[feature]} and {note.name}"
                    raise ValueError(msg)
                judged[feature] = note.name
        for note in self.set:
            for feature in note.features:
                if feature not in judged:
                    msg = f"{feature!r} has no primary set; set primary = true at one"
                    raise ValueError(msg)
        return self

    def for_feature(self, feature: str) -> tuple[GeneSetNote, ...]:
        """Return the sets that answer to a feature of a claim, the primary one first.

        Parameters
        ----------
        feature
            As ``claims.toml`` has it, for instance ``"IL-4 signalling"``.
        """
        found = [note for note in self.set if feature in note.features]
        return tuple(sorted(found, key=lambda note: not note.primary))


def read_gene_set_notes(path: Path | str) -> GeneSetNotes:
    """Read ``gene_sets/notes.toml``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The validated, frozen notes.

    Raises
    ------
    ManifestError
        If the file is missing or holds an unknown key or an impossible value.

    Examples
    --------
    >>> from cartscope.manifest import manifest_dir
    >>> notes = read_gene_set_notes(manifest_dir() / "gene_sets" / "notes.toml")
    >>> notes.for_feature("IL-18 signalling")[0].name
    'REACTOME_INTERLEUKIN_18_SIGNALING'
    """
    return load_toml(path, GeneSetNotes)
