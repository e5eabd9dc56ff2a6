"""Where the outcome of an operation is not Thinc's, on purpose."""

from __future__ import annotations

from typing import NamedTuple


class Difference(NamedTuple):
    """Calls, and kinds of input or "*", whose outcome is not Thinc's on purpose."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    here: str
    thinc: str


DIFFERENCES = (
    Difference(
        ("backprop_hard_sigmoid in place", "backprop_hard_tanh in place"),
        ("*",),
        "dY is overwritten and returned, as by all other gradients",
        "dY stays and a new array is returned",
    ),
    Difference(("softmax in place",), ("*",), "x is overwritten and returned", "x stays and a new array is returned"),
    Difference(
        ("backprop_clipped_linear falling",),
        ("random", "wide", "one row", "one column", "float64", "large", "edge", "equal", "non-finite"),
        "slope * dY where nothing is clipped, for a negative slope too",
        "0 everywhere if the slope is negative",
    ),
    Difference(("backprop_clipped_linear flat",), ("*",), "0 for slope 0", "ZeroDivisionError for slope 0"),
    Difference(("adam", "adam with mod_rate"), ("float64",), "float64 is updated", "ValueError: float32 only"),
    Difference(("clip_gradient to 0",), ("zeros",), "a gradient of norm 0 stays 0", "NaN: 0 / 0, for a threshold of 0"),
    Difference(
        ("swish", "swish in place"), ("non-finite",), "NaN for -inf: X / (1 + exp(-X)) is -inf / inf", "-inf for -inf"
    ),
    Difference(
        ("backprop_swish", "backprop_swish in place"),
        ("non-finite",),
        "Y * dY at X = -inf, which is ±inf for the Y that is given here",
        "NaN there",
    ),
    Difference(
        ("backprop_gelu_approx", "backprop_gelu_approx in place"),
        ("non-finite",),
        "NaN at ±inf, as for backprop_gelu",
        "dY * inf",
    ),
    Difference(
        ("maxout",),
        ("non-finite",),
        "a NaN that is not the first piece is passed over",
        "so are the pieces after it: -3, NaN, 1 gives -3",
    ),
    Difference(
        ("softmax", "softmax with temperature"),
        ("no columns",),
        "an empty result",
        "ValueError: the maximum of a row without columns",
    ),
    Difference(
        ("maxout", "maxout of two", "maxout of five"), ("no columns",), "an empty result", "IndexError from Cython"
    ),
    Difference(
        ("backprop_maxout", "gather_add", "gather_add of two"),
        ("empty", "no columns"),
        "an empty result",
        "IndexError from Cython",
    ),
    Difference(
        ("ngrams of 1", "ngrams of 2", "ngrams of 3", "ngrams of 50"),
        ("empty",),
        "no n-grams of no keys",
        "IndexError from Cython",
    ),
    Difference(
        ("reduce_mean with an empty sequence", "reduce_sum with an empty sequence"),
        ("empty",),
        "0 for the sequence without rows, as among others",
        "IndexError from Cython",
    ),
    Difference(
        ("reduce_max with an empty sequence",),
        ("no columns",),
        "ValueError, as with columns: there is no largest row",
        "an empty result",
    ),
    Difference(
        ("reduce_first",), ("empty",), "starts_ends is [0]: one more than there are sequences, as always", "it is empty"
    ),
    Difference(("reduce_last",), ("empty",), "lasts is int64, as always", "int32, for an empty batch only"),
    Difference(("backprop_reduce_first",), ("empty",), "an empty gradient for starts_ends [0]", "ValueError"),
    Difference(
        (
            "flatten",
            "flatten with padding",
            "flatten to float64",
            "flatten with an empty sequence",
            "flatten with an empty sequence and padding",
        ),
        ("no columns",),
        "as many rows as the sequences have",
        "as many as the first of them has",
    ),
)
