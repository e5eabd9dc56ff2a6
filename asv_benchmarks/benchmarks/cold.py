"""Cold figures: what a fresh process waits for. Each repetition is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from ._common import LIBRARIES, api

FIRST_BATCH = """
import numpy as np
from {library}.api import Adam, Relu, Softmax, chain
model = chain(Relu(32), Softmax(10))
X = np.zeros((16, 20), dtype="float32")
Y = np.full((16, 10), 0.1, dtype="float32")
model.initialize(X, Y)
Yh, backprop = model.begin_update(X)
backprop(Yh - Y)
model.finish_update(Adam(0.001))
"""


class Import:
    """`import` of the package and of everything public."""

    params = (LIBRARIES, ["", ".types", ".api"])
    param_names = ("library", "module")

    def setup(self, library: str, module: str) -> None:
        """Skip what is not installed."""
        api(library)

    def timeraw_import(self, library: str, module: str) -> str:
        """Seconds to import a module."""
        return f"import {library}{module}"


class FirstBatch:
    """From the start of the process to the first trained batch."""

    params = (LIBRARIES, ["empty", "warm"])
    param_names = ("library", "kernel_cache")
    unit = "s"
    timeout = 600

    def setup(self, library: str, kernel_cache: str) -> None:
        """Make a kernel cache, and fill it if it is to be warm."""
        self.folder = tempfile.TemporaryDirectory()  # First: it is torn down too where the library is skipped.
        api(library)
        self.environment = {**os.environ, "THINC_NB_CACHE_DIR": self.folder.name}
        if kernel_cache == "warm":
            self.run(library)

    def teardown(self, library: str, kernel_cache: str) -> None:
        """Remove the kernel cache."""
        self.folder.cleanup()

    def run(self, library: str) -> None:
        """Train one batch in a new process."""
        command = [sys.executable, "-c", FIRST_BATCH.format(library=library)]
        subprocess.run(command, env=self.environment, check=True)

    def track_first_batch(self, library: str, kernel_cache: str) -> float:
        """Seconds, interpreter start included."""
        start = time.perf_counter()
        self.run(library)
        return time.perf_counter() - start
