"""The operations, one by one, on the arrays of a tagger: 2000 words, 96 wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._common import LIBRARIES, PIECES, ROWS, WIDTH, WINDOW, api, floats, lengths_of_sentences

Case = Callable[[], object]


def cases(ops: Any) -> dict[str, Case]:
    """Each operation as a call without arguments, its arrays made beforehand."""
    X, dY = floats(ROWS, WIDTH), floats(ROWS, WIDTH, seed=1)
    Y = np.maximum(X, 0)
    logits, dP = floats(ROWS, 50), floats(ROWS, 50, seed=1)
    P = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    pieces = floats(ROWS, WIDTH, PIECES)
    which = pieces.argmax(axis=2).astype("int32")
    lengths = lengths_of_sentences(ROWS)
    windows = floats(ROWS, WIDTH * (2 * WINDOW + 1))
    ids = np.random.default_rng(0).integers(0, 2**63, ROWS).astype("uint64")
    table, rows = floats(5000, WIDTH), np.random.default_rng(1).integers(0, 5000, (ROWS, 4)).astype("int32")
    dtable, first = np.zeros_like(table), np.ascontiguousarray(rows[:, 0])
    W, dW, mom1, mom2 = floats(1_000_000), floats(1_000_000, seed=1), floats(1_000_000), np.abs(floats(1_000_000))

    def hash_embed() -> object:
        return ops.gather_add(table, (ops.hash(ids, 7) % 5000).astype("int32"))

    return {
        "relu": lambda: ops.relu(X),
        "backprop_relu": lambda: ops.backprop_relu(dY, Y),
        "gelu": lambda: ops.gelu(X),
        "backprop_gelu": lambda: ops.backprop_gelu(dY, X),
        "swish": lambda: ops.swish(X),
        "mish": lambda: ops.mish(X),
        "backprop_mish": lambda: ops.backprop_mish(dY, X),
        "softmax": lambda: ops.softmax(logits),
        "backprop_softmax": lambda: ops.backprop_softmax(P, dP),
        "maxout": lambda: ops.maxout(pieces),
        "backprop_maxout": lambda: ops.backprop_maxout(dY, which, PIECES),
        "seq2col": lambda: ops.seq2col(X, WINDOW, lengths=lengths),
        "backprop_seq2col": lambda: ops.backprop_seq2col(windows, WINDOW, lengths=lengths),
        "reduce_sum": lambda: ops.reduce_sum(X, lengths),
        "reduce_max": lambda: ops.reduce_max(X, lengths),
        "hash": lambda: ops.hash(ids, 7),
        "gather_add": lambda: ops.gather_add(table, rows),
        "hash_embed": hash_embed,
        "scatter_add": lambda: ops.scatter_add(dtable, first, X),
        "dropout_mask": lambda: ops.get_dropout_mask((ROWS, WIDTH), 0.1),
        "adam_1m": lambda: ops.adam(W, dW, mom1, mom2, 0.9, 0.999, 1e-8, 0.001),
        "gemm": lambda: ops.gemm(windows, windows, trans2=True),
    }


class Ops:
    """Seconds for one call, its result allocated."""

    params = (
        [
            "relu",
            "backprop_relu",
            "gelu",
            "backprop_gelu",
            "swish",
            "mish",
            "backprop_mish",
            "softmax",
            "backprop_softmax",
            "maxout",
            "backprop_maxout",
            "seq2col",
            "backprop_seq2col",
            "reduce_sum",
            "reduce_max",
            "hash",
            "gather_add",
            "hash_embed",
            "scatter_add",
            "dropout_mask",
            "adam_1m",
            "gemm",
        ],
        LIBRARIES,
    )
    param_names = ("op", "library")

    def setup(self, op: str, library: str) -> None:
        """Make the arrays and call once: the first call may compile."""
        self.call = cases(api(library).NumpyOps())[op]
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
