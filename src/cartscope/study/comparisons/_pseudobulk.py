"""Where the pseudobulk profiles of a population lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cartscope.manifest import Contrasts

GROUPS = ("patient", "timepoint")


def pseudobulk_artifact(population: str) -> str:
    """Return the artifact that holds one population's profiles.

    Parameters
    ----------
    population
        Of ``contrasts.toml``.
    """
    return f"tables/pseudobulk_{population}.h5ad"


def populations_for_de(contrasts: Contrasts) -> list[str]:
    """Return the populations that a de contrast reads, in order.

    Parameters
    ----------
    contrasts
        The manifest.
    """
    return list(dict.fromkeys(c.population for c in contrasts.by_analysis("de")))
