"""Exceptions of cartscope.

Every message names the thing, where it is and the cure.

* CartscopeError
  - InputError (also ValueError): a file, table or argument that cannot be used as it is
  - MissingKeyError (also KeyError): an AnnData slot that an earlier step should have written
  - SchemaError (also ValueError): a table with wrong columns or types
  - ManifestError (also ValueError): a TOML file with an unknown field or an impossible value
  - DownloadError (also OSError): a file that could not be fetched
  - IntegrityError (also OSError): a file whose bytes are not the expected ones
  - EstimabilityError (also ValueError): a contrast that the design cannot estimate
  - MissingExtraError (also ImportError): an optional dependency that is not installed
"""

from __future__ import annotations


class CartscopeError(Exception):
    """Base class; the command line turns it into one line and exit status 1."""


class InputError(CartscopeError, ValueError):
    """A file, table or argument cannot be used as it is."""


class MissingKeyError(CartscopeError, KeyError):
    """An AnnData slot is absent."""

    __str__ = Exception.__str__


class SchemaError(CartscopeError, ValueError):
    """A table does not follow its schema."""


class ManifestError(CartscopeError, ValueError):
    """A manifest is incomplete, contradictory or has an unknown field."""


class DownloadError(CartscopeError, OSError):
    """A file could not be fetched."""


class IntegrityError(CartscopeError, OSError):
    """A file is not what it should be: expected, found and what to do are in the message."""


class EstimabilityError(CartscopeError, ValueError):
    """The design cannot estimate the contrast; ``report`` says why."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class MissingExtraError(CartscopeError, ImportError):
    """An optional dependency is needed and not installed."""
