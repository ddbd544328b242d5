from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("agg")

# warnings of other packages that cartscope can neither cause nor cure
KNOWN_WARNINGS = (
    "ignore::DeprecationWarning:(?!cartscope)",
    "ignore::FutureWarning:(?!cartscope)",
    "ignore::PendingDeprecationWarning:(?!cartscope)",
    "ignore::ImportWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    """Make warnings errors where the environment is pinned, not on a user's machine."""
    if os.environ.get("CARTSCOPE_WARNINGS") == "error":
        for line in ("error", *KNOWN_WARNINGS):
            config.addinivalue_line("filterwarnings", line)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(42)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder with real data and R's answers, or skip."""
    folder = os.environ.get("CARTSCOPE_REFERENCE")
    if not folder:
        pytest.skip("CARTSCOPE_REFERENCE is not set: no real data to compare with")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"CARTSCOPE_REFERENCE={folder} is not a directory")
    return path
