"""A call that is right, for each operation of NumpyOps."""

from __future__ import annotations

import inspect
from collections import deque
from itertools import islice
from typing import Any

import numpy as np

from thinc_nb.backends import NumpyOps

LEFT_OUT = {"cblas": "hands out Thinc's object", "dropout_key": "has no arguments"}

ROWS, WIDTH, PIECES, UNITS = 6, 4, 3, 2
LENGTHS = np.array([2, 3, 1], dtype="int32")


def floats(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.linspace(-2, 2, int(np.prod(shape)), dtype=dtype).reshape(shape)


def right_calls(ops: NumpyOps) -> dict[str, dict[str, Any]]:
    """Arguments that fit, for each method, made anew."""
    X, ids = floats(ROWS, WIDTH), np.arange(ROWS, dtype="uint64")
    states = floats(2, 1, UNITS)
    params = floats(4 * UNITS * (WIDTH + UNITS + 2) + 4 * UNITS * (UNITS + UNITS + 2))
    size_at_t = np.array([3, 2, 1], dtype="int32")
    lists = [floats(length, WIDTH) for length in LENGTHS]
    rates = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "learn_rate": 0.01}
    four = {"weights": floats(5), "gradient": floats(5), "mom1": floats(5), "mom2": np.ones(5, "f")}
    calls: dict[str, dict[str, Any]] = {
        "adam": {**four, **rates},
        "adam_update": {
            **four,
            "averages": floats(5),
            **rates,
            "grad_scale": 1.0,
            "weight_decay": 0.1,
            "average_decay": 0.9,
        },
        "update_averages": {"ema": floats(5), "weights": floats(5), "t": 3},
        "clip_gradient": {"gradient": floats(5), "threshold": 1.0},
        "affine": {"X": X, "W": floats(UNITS, WIDTH), "b": floats(UNITS)},
        "gemm": {"x": X, "y": floats(WIDTH, UNITS), "out": floats(ROWS, UNITS)},
        "maxout": {"X": floats(ROWS, UNITS, PIECES)},
        "backprop_maxout": {"dY": floats(ROWS, UNITS), "which": np.ones((ROWS, UNITS), "int32"), "P": PIECES},
        "softmax": {"x": X},
        "layer_norm": {"X": X, "G": floats(WIDTH), "b": floats(WIDTH)},
        "backprop_layer_norm": {"dY": X, "X": X, "G": floats(WIDTH), "mean": floats(ROWS), "rstd": floats(ROWS)},
        "seq2col": {"seq": X, "nW": 1, "lengths": LENGTHS},
        "backprop_seq2col": {"dY": floats(ROWS, 3 * WIDTH), "nW": 1, "lengths": LENGTHS},
        "backprop_reduce_first": {"d_firsts": floats(3, WIDTH), "starts_ends": np.array([0, 2, 5, 6], "int32")},
        "backprop_reduce_last": {"d_lasts": floats(3, WIDTH), "lasts": np.array([1, 4, 5], "int32")},
        "backprop_reduce_max": {
            "d_maxes": floats(3, WIDTH),
            "which": np.zeros((3, WIDTH), "int32"),
            "lengths": LENGTHS,
        },
        "backprop_reduce_mean": {"d_means": floats(3, WIDTH), "lengths": LENGTHS},
        "backprop_reduce_sum": {"d_sums": floats(3, WIDTH), "lengths": LENGTHS},
        "softmax_sequences": {"Xs": X, "lengths": LENGTHS},
        "hash": {"ids": ids, "seed": 1},
        "hash_rows": {"ids": ids, "seed": 1, "rows": 10},
        "ngrams": {"n": 2, "keys": ids},
        "gather_add": {"table": floats(5, WIDTH), "indices": np.ones((ROWS, 4), "int32")},
        "scatter_add": {"table": floats(5, WIDTH), "indices": np.ones(ROWS, "int32"), "values": X},
        "scatter_add_rows": {"table": floats(5, WIDTH), "indices": np.ones((ROWS, 4), "int32"), "values": X},
        "position_encode": {"N": 5, "D": 4},
        "get_dropout_mask": {"shape": (ROWS, WIDTH), "drop": 0.5},
        "dropout": {"X": X, "key": np.uint32(7), "drop": 0.5},
        "logloss": {"y_true": floats(5), "y_pred": np.full(5, 0.5, "f")},
        "flatten": {"X": lists, "pad": 1},
        "unflatten": {"X": X, "lengths": LENGTHS},
        "pad": {"seqs": lists},
        "unpad": {"padded": floats(3, 3, WIDTH), "lengths": [2, 3, 1]},
        "list2padded": {"seqs": lists},
        "padded2list": {"padded": ops.list2padded(lists)},
        "minibatch": {"size": 2, "sequence": X},
        "multibatch": {"size": 2, "sequence": X, "others": floats(ROWS, 2)},
        "asarray": {"data": X},
        "as_contig": {"data": X},
        "to_numpy": {"data": X},
        "tile": {"X": X, "reps": 2},
        "insert_into": {"shape": (3, 3, WIDTH), "Xs": lists},
    }
    for training in ("lstm_forward_training", "lstm_forward_inference"):
        calls[training] = {"params": params, "H0": states, "C0": states.copy(), "X": X, "size_at_t": size_at_t}
    Y, state = ops.lstm_forward_training(**calls["lstm_forward_training"])
    calls["backprop_lstm"] = {"dY": Y, "lengths": size_at_t, "params": params, "fwd_state": state}
    shapes = {"0": (), "1": (24,), "2": (ROWS, WIDTH), "3": (ROWS, 2, 2), "4": (ROWS, 2, 2, 1)}
    for name in operations():
        digit = next((letter for letter in name if letter.isdigit()), "0")
        if name.startswith("alloc") and digit == "0":
            calls[name] = {"shape": (ROWS, WIDTH)}
        elif name.startswith("alloc"):
            calls[name] = {f"d{axis}": side for axis, side in enumerate(shapes[digit])}
        elif name.startswith("asarray"):
            calls[name] = {"data": X.tolist() if digit == "2" else X}
        elif name.startswith("reshape") and digit == "0":
            calls[name] = {"array": X, "shape": (WIDTH, ROWS)}
        elif name.startswith("reshape"):
            calls[name] = {"array": X} | {f"d{axis}": side for axis, side in enumerate(shapes[digit])}
        elif name.startswith("reduce"):
            calls[name] = {"X": X, "lengths": LENGTHS}
        elif name not in calls:
            # Activations, their gradients, and other functions of arrays of one shape.
            needed = [p for p in inspect.signature(getattr(ops, name)).parameters.values() if p.default is p.empty]
            calls[name] = {p.name: LENGTHS if p.name == "lengths" else floats(ROWS, WIDTH) for p in needed}
    return calls


def operations() -> list[str]:
    return [
        name
        for name in dir(NumpyOps)
        if not name.startswith("_") and inspect.isfunction(getattr(NumpyOps, name)) and name not in LEFT_OUT
    ]


def made(ops: NumpyOps, name: str, call: dict[str, Any]) -> None:
    """Make the call, and take what is lazy in its result."""
    keywords = dict(call)
    positional = [keywords.pop(key) for key in ("size", "sequence", "others") if key in keywords]
    result = getattr(ops, name)(*positional, **keywords)
    if name.endswith("batch"):
        deque(islice(result, 20))
