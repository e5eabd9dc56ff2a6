"""Every operation on the arrays of a tagger, 2000 words and 96 wide: the cases of `make bench`, kept over time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ._common import LIBRARIES, ROWS, WIDTH, api, floats

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from _ops_cases import OPS, cases
from _ops_workload import OURS, THINC

COLUMNS = {"thinc_nb": OURS, "thinc": THINC}


class Ops:
    """Seconds for one call, its result allocated."""

    params = (OPS, LIBRARIES)
    param_names = ("op", "library")

    def setup(self, op: str, library: str) -> None:
        """Make the arrays and call once: the first call may compile."""
        libraries = {OURS: api("thinc_nb"), COLUMNS[library]: api(library)}
        case = next(case for case in cases(libraries, ROWS, WIDTH) if case.name == op)
        self.prepare: Callable[[], object] = case.prepare or (lambda: None)
        self.call = case.calls[COLUMNS[library]]
        self.prepare()
        self.call()

    def time_call(self, op: str, library: str) -> None:
        """One call."""
        self.call()


class LayerNorm:
    """The layer, since Thinc has no public operation for it."""

    params = (LIBRARIES,)
    param_names = ("library",)

    def setup(self, library: str) -> None:
        """Make the layer and run it once: the first call may compile."""
        self.X, self.dY = floats(ROWS, WIDTH), floats(ROWS, WIDTH, seed=1)
        self.model = api(library).LayerNorm(WIDTH).initialize()
        self.time_update(library)
        self.time_predict(library)

    def time_predict(self, library: str) -> None:
        """Forward."""
        self.model.predict(self.X)

    def time_update(self, library: str) -> None:
        """Forward and backward."""
        self.model.begin_update(self.X)[1](self.dY)
