"""Every constructor with several settings, and the batches that it takes: written once, built of either library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import thinc_nb.api as nb

LENGTHS = {
    "some": (3, 1, 2),
    "one": (4,),
    "single row": (1,),
    "empty inside": (2, 0, 3, 0),
    "long": (150, 1, 57),
    "none": (),
}
WIDTH = 4


class Batches:
    """Batches of sequences in each form, always the same numbers for one form and size."""

    def __init__(self, width: int = WIDTH, seed: int = 0, dtype: str = "f") -> None:
        self.width = width
        self.seed = seed
        self.dtype = dtype

    def sequences(self, size: str) -> list[Any]:
        rng = np.random.default_rng(self.seed)
        return [rng.normal(size=(n, self.width)).astype(self.dtype) for n in LENGTHS[size]]

    def rows(self, size: str) -> Any:
        return np.concatenate([np.zeros((0, self.width), dtype=self.dtype), *self.sequences(size)])

    def ragged(self, size: str) -> nb.Ragged:
        return nb.Ragged(self.rows(size), np.array(LENGTHS[size], dtype="int32"))

    def padded(self, size: str) -> nb.Padded:
        return nb.NumpyOps().list2padded(self.sequences(size))

    def ids(self, size: str, columns: int = 2, below: int = 50) -> Any:
        rng = np.random.default_rng(self.seed)
        return rng.integers(0, below, size=(sum(LENGTHS[size]), columns)).astype("uint64")


B = Batches()
Data = Callable[[str], Any]

ROWS: dict[str, Data] = {"array": B.rows}
LISTS: dict[str, Data] = {"list": B.sequences}
RAGGED: dict[str, Data] = {"Ragged": B.ragged}
PADDED: dict[str, Data] = {"Padded": B.padded}
SEQUENCES = LISTS | RAGGED | PADDED
ANY = ROWS | SEQUENCES
IDS: dict[str, Data] = {"ids": B.ids}
SIGNED: dict[str, Data] = {"ids": lambda size: B.ids(size).astype("int64")}
ID_COLUMN: dict[str, Data] = {"ids": lambda size: B.ids(size)[:, 0].copy()}
PAIR: dict[str, Data] = {"pair": lambda size: (B.rows(size), Batches(seed=1).rows(size))}


class Case(NamedTuple):
    """A model, and the kinds of input that it takes."""

    build: Callable[[Any], Any]
    data: dict[str, Data]


def features(size: str) -> Any:
    rng = np.random.default_rng(5)
    lengths = np.array(LENGTHS[size], dtype="int32")
    n = int(lengths.sum())
    return rng.integers(0, 2**60, size=n).astype("uint64"), rng.normal(size=n).astype("f"), lengths


def words(size: str) -> list[list[str]]:
    return [["", "word", "naïve", "a longer word"][i % 4 : i % 4 + 1] * n for i, n in enumerate(LENGTHS[size])]


def word_list(size: str) -> list[str]:
    return [word for sequence in words(size) for word in sequence]


def padded_parts(size: str) -> tuple[Any, ...]:
    p = B.padded(size)
    return p.data, p.size_at_t, p.lengths, p.indices


DENSE = (
    "Linear", "Relu", "Gelu", "Mish", "Swish", "Dish", "HardSwish", "HardSwishMobilenet", "ClippedLinear", "ReluK",
    "HardTanh", "HardSigmoid", "Sigmoid", "Softmax", "Softmax_v2", "Maxout",
)  # fmt: skip
WITH_EXTRAS = tuple(name for name in DENSE if name not in ("Linear", "Sigmoid", "Softmax", "Softmax_v2"))


def _dense(name: str) -> dict[str, Case]:
    cases = {name: Case(lambda api: getattr(api, name)(5, 4), ROWS)}
    cases[f"{name} that infers"] = Case(lambda api: getattr(api, name)(5), ROWS)
    cases[f"{name} with initializers"] = Case(
        lambda api: getattr(api, name)(5, 4, init_W=api.glorot_uniform_init, init_b=api.uniform_init), ROWS
    )
    if name in WITH_EXTRAS:
        for options in ({"normalize": True}, {"dropout": 0.0}, {"normalize": True, "dropout": 0.0}):
            said = " and ".join(options)
            cases[f"{name} with {said}"] = Case(lambda api, options=options: getattr(api, name)(5, 4, **options), ROWS)
    return cases


def _key_transform(api: Any) -> Any:
    return api.ParametricAttention_v2(key_transform=api.Gelu(4, 4), nO=4)


def _keep_going(layer: Any, nO: int) -> Any:
    return layer


CASES: dict[str, Case] = {
    **{key: case for name in DENSE for key, case in _dense(name).items()},
    "Maxout of one piece": Case(lambda api: api.Maxout(5, 4, nP=1), ROWS),
    "Maxout of two pieces": Case(lambda api: api.Maxout(5, 4, 2), ROWS),
    "ClippedLinear with settings": Case(
        lambda api: api.ClippedLinear(5, 4, slope=0.7, offset=0.3, min_val=-0.5, max_val=0.8), ROWS
    ),
    "ReluK of one": Case(lambda api: api.ReluK(5, 4, k=1.0), ROWS),
    "Softmax_v2 of temperature 2": Case(lambda api: api.Softmax_v2(5, 4, temperature=2.0), ROWS),
    "MultiSoftmax": Case(lambda api: api.MultiSoftmax((2, 3), 4), ROWS),
    "Logistic": Case(lambda api: api.Logistic(), ROWS),
    "softmax_activation": Case(lambda api: api.softmax_activation(), ROWS),
    "sigmoid_activation": Case(lambda api: api.sigmoid_activation(), ROWS),
    "LayerNorm": Case(lambda api: api.LayerNorm(4), ROWS),
    "LayerNorm that infers": Case(lambda api: api.LayerNorm(), ROWS),
    "Dropout": Case(lambda api: api.Dropout(0.0), ANY),
    "Dropout that is off": Case(lambda api: api.set_dropout_rate(api.Dropout(0.5), 0.0), ANY),
    "Embed": Case(lambda api: api.Embed(3, 50), ID_COLUMN),
    "Embed of a matrix": Case(lambda api: api.Embed(3, 50), IDS),
    "Embed of a column": Case(lambda api: api.Embed(3, 50, column=1), IDS),
    "Embed with dropout": Case(lambda api: api.Embed(3, 50, dropout=0.0, initializer=api.normal_init), ID_COLUMN),
    "HashEmbed": Case(lambda api: api.HashEmbed(3, 50, seed=2), ID_COLUMN),
    "HashEmbed of a column": Case(lambda api: api.HashEmbed(3, 50, seed=2, column=1), IDS),
    "HashEmbed with dropout": Case(
        lambda api: api.HashEmbed(3, 50, seed=9, dropout=0.0, initializer=api.uniform_init), ID_COLUMN
    ),
    "expand_window": Case(lambda api: api.expand_window(), ROWS | RAGGED),
    "expand_window of three": Case(lambda api: api.expand_window(3), ROWS | RAGGED),
    "LSTM": Case(lambda api: api.LSTM(6, 4), PADDED),
    "LSTM of two directions and layers": Case(lambda api: api.LSTM(6, 4, bi=True, depth=2), PADDED),
    "LSTM with initializers": Case(
        lambda api: api.LSTM(6, 4, depth=2, init_W=api.uniform_init, init_b=api.uniform_init), PADDED
    ),
    "LSTM of sequences": Case(lambda api: api.with_padded(api.LSTM(6, 4)), SEQUENCES),
    "SparseLinear": Case(lambda api: api.SparseLinear(3, length=64), {"features": features}),
    "SparseLinear_v2": Case(lambda api: api.SparseLinear_v2(3, length=61), {"features": features}),
    "ParametricAttention": Case(lambda api: api.ParametricAttention(), RAGGED),
    "ParametricAttention_v2": Case(lambda api: api.ParametricAttention_v2(nO=4), RAGGED),
    "ParametricAttention_v2 with keys": Case(_key_transform, RAGGED),
    "CauchySimilarity": Case(lambda api: api.CauchySimilarity(4), PAIR),
    "CauchySimilarity that infers": Case(lambda api: api.CauchySimilarity(), PAIR),
    # Combinators
    "chain": Case(lambda api: api.chain(api.Relu(5), api.Linear(3), api.Softmax(2)), ROWS),
    "chain of chains": Case(lambda api: api.chain(api.chain(api.Relu(5), api.Relu(5)), api.Linear(3)), ROWS),
    "clone": Case(lambda api: api.clone(api.Relu(4, 4), 3), ROWS),
    "clone once": Case(lambda api: api.clone(api.Relu(4, 4), 1), ROWS),
    "clone never": Case(lambda api: api.clone(api.Relu(4, 4), 0), ROWS),
    "concatenate": Case(lambda api: api.concatenate(api.Relu(5), api.Linear(2)), ROWS),
    "concatenate of three": Case(lambda api: api.concatenate(api.Relu(5), api.Linear(2), api.Mish(1)), ROWS),
    "concatenate in concatenate": Case(
        lambda api: api.concatenate(api.Mish(1), api.concatenate(api.Relu(5), api.Linear(2))), ROWS
    ),
    "concatenate of sequences": Case(
        lambda api: api.concatenate(api.with_array(api.Relu(5)), api.with_array(api.Linear(2))), LISTS | RAGGED
    ),
    "concatenate of one": Case(lambda api: api.concatenate(api.Relu(5, 4)), ROWS),
    "concatenate of nothing": Case(lambda api: api.concatenate(), ROWS),
    "add": Case(lambda api: api.add(api.Gelu(5), api.Linear(5), api.Mish(5)), ROWS),
    "add to add": Case(lambda api: api.add(api.add(api.Gelu(5), api.Linear(5)), api.Mish(5)), ROWS),
    "add of Relu": Case(lambda api: api.add(api.Relu(5), api.Linear(5)), ROWS),
    "residual": Case(lambda api: api.residual(api.Relu(4)), ROWS),
    "residual of sequences": Case(lambda api: api.residual(api.with_array(api.Relu(4, 4))), LISTS | RAGGED),
    "residual of Padded": Case(lambda api: api.residual(api.with_array2d(api.Gelu(4, 4))), PADDED),
    "tuplify": Case(lambda api: api.tuplify(api.Relu(5), api.Linear(2), api.Mish(1)), ROWS),
    "bidirectional": Case(lambda api: api.bidirectional(api.with_array2d(api.Gelu(3, 4))), PADDED),
    "bidirectional of an LSTM": Case(lambda api: api.bidirectional(api.LSTM(3, 4), api.LSTM(2, 4)), PADDED),
    "siamese": Case(lambda api: api.siamese(api.Relu(3, 4), api.CauchySimilarity(3)), PAIR),
    "uniqued": Case(lambda api: api.uniqued(api.Embed(3, 50, column=1), column=1), IDS),
    "uniqued by the first column": Case(lambda api: api.uniqued(api.HashEmbed(3, 50, seed=1, column=0)), IDS),
    "map_list": Case(lambda api: api.map_list(api.Relu(3, 4)), LISTS),
    "noop": Case(lambda api: api.noop(), ANY),
    "noop with layers": Case(lambda api: api.noop(api.Relu(3, 4)), ANY),
    "resizable": Case(lambda api: api.resizable(api.Linear(3, 4), _keep_going), ROWS),
    # Conversions
    "list2array": Case(lambda api: api.list2array(), LISTS),
    "list2ragged": Case(lambda api: api.list2ragged(), LISTS),
    "list2padded": Case(lambda api: api.list2padded(), LISTS),
    "ragged2list": Case(lambda api: api.ragged2list(), RAGGED),
    "padded2list": Case(lambda api: api.padded2list(), PADDED),
    "strings2arrays": Case(lambda api: api.strings2arrays(), {"words": words}),
    "array_getitem of a row": Case(lambda api: api.array_getitem(0), ROWS),
    "array_getitem of a column": Case(lambda api: api.array_getitem((slice(0, None), 1)), ROWS),
    "array_getitem of columns": Case(lambda api: api.array_getitem((slice(0, None), [0, 2])), ROWS),
    "array_getitem of a slice": Case(lambda api: api.array_getitem(slice(1, None, 2)), ROWS),
    "remap_ids": Case(lambda api: api.remap_ids({"word": 3, "": 1}, default=7), {"words": word_list}),
    "remap_ids of floats": Case(lambda api: api.remap_ids({"word": 3}, 7, "f"), {"words": word_list}),
    "remap_ids_v2": Case(lambda api: api.remap_ids_v2({"word": 3, "": 1}, default=7), {"words": word_list}),
    "remap_ids_v2 of ids": Case(lambda api: api.remap_ids_v2({3: 1, 4: 5}, default=7), ID_COLUMN),
    "remap_ids_v2 of a column": Case(lambda api: api.remap_ids_v2({3: 1, 4: 5}, column=1), IDS),
    "premap_ids": Case(
        lambda api: api.premap_ids({3: 1, 4: 5}, default=7), {"ids": lambda size: SIGNED["ids"](size)[:, 0].copy()}
    ),
    "premap_ids of a column": Case(lambda api: api.premap_ids({3: 1, 4: 5}, column=1), SIGNED),
    # Pooling
    **{
        name: Case(lambda api, name=name: getattr(api, name)(), RAGGED)
        for name in ("reduce_first", "reduce_last", "reduce_max", "reduce_mean", "reduce_sum")
    },
    # Wrapping
    "with_array": Case(lambda api: api.with_array(api.Relu(3)), ROWS | LISTS | RAGGED),
    "with_array of Padded": Case(lambda api: api.with_array(api.sigmoid_activation()), PADDED),
    "with_array with padding": Case(
        lambda api: api.with_array(api.chain(api.expand_window(1), api.Relu(3, 12)), pad=1), LISTS
    ),
    "with_array2d": Case(lambda api: api.with_array2d(api.Relu(3)), ANY),
    "with_array2d with padding": Case(
        lambda api: api.with_array2d(api.chain(api.expand_window(1), api.Relu(3, 12)), pad=1), LISTS
    ),
    "with_list": Case(lambda api: api.with_list(api.map_list(api.Relu(3, 4))), SEQUENCES),
    "with_padded": Case(lambda api: api.with_padded(api.with_array2d(api.Relu(3, 4))), SEQUENCES),
    "with_padded of an array": Case(
        lambda api: api.with_padded(api.with_array2d(api.Relu(3, 4))), {"array": lambda size: B.padded(size).data}
    ),
    "with_padded of a tuple": Case(
        lambda api: api.with_padded(api.with_array2d(api.Relu(3, 4))),
        {"tuple": padded_parts},
    ),
    "with_ragged": Case(lambda api: api.with_ragged(api.ParametricAttention(4)), SEQUENCES),
    "with_ragged of a tuple": Case(
        lambda api: api.with_ragged(api.ParametricAttention(4)),
        {"tuple": lambda size: (B.rows(size), np.array(LENGTHS[size], dtype="int32"))},
    ),
    "with_flatten": Case(
        lambda api: api.with_flatten(api.chain(api.list2array(), api.Relu(3, 4))),
        {"nested": lambda size: [[row[None] for row in X] for X in B.sequences(size)]},
    ),
    "with_flatten_v2": Case(
        lambda api: api.with_flatten_v2(api.map_list(api.Relu(3, 4))),
        {"nested": lambda size: [[X, X[:1]] for X in B.sequences(size)]},
    ),
    "with_reshape": Case(lambda api: api.with_reshape(api.Relu(4, 4)), {"array": lambda size: B.padded(size).data}),
    "with_getitem": Case(lambda api: api.with_getitem(1, api.Relu(3, 4)), PAIR),
    "with_cpu": Case(lambda api: api.with_cpu(api.Relu(3, 4), api.NumpyOps()), ROWS),
    "with_debug": Case(lambda api: api.with_debug(api.Relu(3, 4)), ROWS),
    "with_nvtx_range": Case(lambda api: api.with_nvtx_range(api.Relu(3, 4)), ROWS),
}
