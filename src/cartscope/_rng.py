"""Random streams that depend on a seed and a name, never on order or on the number of jobs."""

from __future__ import annotations

import zlib

import numpy as np


def stream(random_state: int, *key: str | int) -> np.random.Generator:
    """Return the generator of one unit of work.

    Parameters
    ----------
    random_state
        The run's seed, 0 or above.
    key
        What the unit of work is called, for instance ``"pca"`` or ``("permutation", 17)``.

    Returns
    -------
    A generator that is the same for the same seed and key, and independent for different keys.

    Examples
    --------
    >>> from cartscope._rng import stream
    >>> bool(stream(0, "a").random() == stream(0, "a").random())
    True
    """
    words = [zlib.crc32(str(part).encode()) for part in key]
    return np.random.default_rng([int(random_state), *words])


def seed_for(random_state: int, *key: str | int) -> int:
    """Return a 31-bit seed for libraries that take an integer.

    Parameters
    ----------
    random_state
        The run's seed, 0 or above.
    key
        What the unit of work is called.

    Returns
    -------
    An integer in ``[0, 2**31)``.
    """
    return int(stream(random_state, *key).integers(2**31))
