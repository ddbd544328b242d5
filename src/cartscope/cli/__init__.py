"""Command line: parse, call, print, exit code. No science here."""

from __future__ import annotations

from ._main import main

__all__ = ["main"]
