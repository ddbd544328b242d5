"""Single-cell RNA-seq of CAR T-cell therapy, between patients and with honest statistics.

Import the namespaces, not the private modules: ``import cartscope as cs``, then ``cs.geo``,
``cs.io``, ``cs.pp``, ``cs.tl``, ``cs.stats``, ``cs.clinical`` and ``cs.pl``. Each is imported when
it is first used, so that ``import cartscope`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cartscope import geo, io, manifest, pl, pp, simulate, stats, study, tl

__version__ = "0.1.0"
_NAMESPACES = ("geo", "io", "manifest", "pl", "pp", "simulate", "stats", "study", "tl")
__all__ = ["geo", "io", "manifest", "pl", "pp", "simulate", "stats", "study", "tl"]


def __getattr__(name: str) -> Any:
    if name in _NAMESPACES:
        return import_module(f"cartscope.{name}")
    msg = f"module 'cartscope' has no attribute {name!r}; it has {list(_NAMESPACES)}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*_NAMESPACES, "__version__"]
