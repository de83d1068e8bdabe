"""NumPy as the engines use it: on one thread, for an engine shares its machine with the requests of others."""

from __future__ import annotations

import os
from typing import TypeAlias

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when the library loads

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

__all__ = ["Floats", "Ints", "np"]
