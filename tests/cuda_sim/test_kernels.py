"""Kernels in Numba's CUDA simulator against the same bodies on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numba import cuda

from thinc_nb.kernels import Kernel, dropout, embed, hashing, maxout, normalise, optimise, positions, softmax, window

RNG = np.random.default_rng(0)
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def reals(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def run_both(kernel: Kernel[...], *args: Any, written: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The arrays that a kernel writes, as the CPU and as the simulator leave them."""
    on_cpu = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
    kernel(*on_cpu)
    on_cuda = [cuda.to_device(arg.copy()) if isinstance(arg, np.ndarray) else arg for arg in args]
    kernel(*on_cuda)
    return [(on_cpu[place], on_cuda[place].copy_to_host()) for place in written]


def agree(kernel: Kernel[...], *args: Any, written: Sequence[int] = (0,), tolerance: float | None = None) -> None:
    for cpu, gpu in run_both(kernel, *args, written=written):
        assert cpu.dtype == gpu.dtype
        limit = tolerance if tolerance is not None else TOLERANCE.get(str(cpu.dtype), 0)
        np.testing.assert_allclose(gpu, cpu, rtol=limit, atol=limit)


# Hashes are unsigned arithmetic that wraps: right in a kernel, and worth a warning to numpy's scalars.
wraps = pytest.mark.filterwarnings("ignore:.*overflow encountered in scalar:RuntimeWarning")
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both
@pytest.mark.kernels("softmax.softmax", "softmax.backprop_softmax")
def test_softmax(dtype):
    x = reals(5, 7, dtype=dtype)
    on_cpu, on_cuda = np.zeros_like(x), cuda.to_device(np.zeros_like(x))
    softmax.softmax(on_cpu, on_cpu.reshape(-1), x, 0.5)
    softmax.softmax(on_cuda, on_cuda.reshape(35), cuda.to_device(x), 0.5)
    np.testing.assert_allclose(on_cuda.copy_to_host(), on_cpu, rtol=TOLERANCE[dtype])
    agree(softmax.backprop_softmax, np.zeros_like(x), reals(5, 7, dtype=dtype), on_cpu, 0.5)


@both
@pytest.mark.kernels("normalise.layer_norm", "normalise.backprop_layer_norm")
def test_layer_norm(dtype):
    X, dY = reals(2, 6, 9, dtype=dtype)
    G, b = reals(2, 9, dtype=dtype)
    mean, rstd = np.zeros((2, 6), dtype)
    agree(normalise.layer_norm, np.zeros_like(X), X, G, b, mean, rstd, written=(0, 4, 5))
    normalise.layer_norm(np.zeros_like(X), X, G, b, mean, rstd)
    partial = np.zeros((2, 1, 9), dtype)
    agree(
        normalise.backprop_layer_norm,
        np.zeros_like(X),
        dY,
        X,
        G,
        mean,
        rstd,
        *partial,
        written=(0, 6, 7),
        tolerance=10 * TOLERANCE[dtype],
    )


def test_layer_norm_sums_the_batch_in_blocks_of_the_device():
    X, dY = reals(2, 70, 5)
    G, b = reals(2, 5)
    mean, rstd = np.zeros((2, 70), "f")
    normalise.layer_norm(np.zeros_like(X), X, G, b, mean, rstd)
    kernel = normalise.backprop_layer_norm
    sums = []
    for place in (np.asarray, cuda.to_device):
        device_dY = place(dY)
        blocks = kernel.blocks(70, device_dY)
        d_gain, d_bias = (place(np.zeros((blocks, 5), "f")) for _ in range(2))
        kernel(place(np.zeros_like(X)), device_dY, place(X), place(G), place(mean), place(rstd), d_gain, d_bias)
        sums.append(
            [np.asarray(part if place is np.asarray else part.copy_to_host()).sum(axis=0) for part in (d_gain, d_bias)]
        )
    assert kernel.blocks(70, dY) == 1
    assert kernel.blocks(70, cuda.to_device(dY)) == 3
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-4, atol=1e-5)


@pytest.mark.kernels(
    "maxout.maxout_2",
    "maxout.maxout_3",
    "maxout.maxout_4",
    "maxout.maxout",
    "maxout.backprop_maxout_2",
    "maxout.backprop_maxout_3",
    "maxout.backprop_maxout_4",
    "maxout.backprop_maxout",
)
def test_maxout():
    for pieces, kernel in ((2, maxout.maxout_2), (3, maxout.maxout_3), (4, maxout.maxout_4)):
        agree(kernel, np.zeros(20, "f"), np.zeros(20, "i"), reals(20 * pieces), written=(0, 1))
    x = reals(3, 5, 4)
    agree(maxout.maxout, np.zeros((3, 5), "f"), np.zeros((3, 5), "i"), x, written=(0, 1))
    which = x.argmax(axis=2).astype("i").reshape(-1)
    for pieces, kernel in ((2, maxout.backprop_maxout_2), (3, maxout.backprop_maxout_3), (4, maxout.backprop_maxout_4)):
        for lowest in (0, -1):
            places = (which % pieces) + np.int32(lowest)
            bits = np.ones(15 * pieces, "i")
            agree(kernel, reals(15).view("int32"), places, bits, np.zeros(1, "i"), written=(2, 3))
    agree(maxout.backprop_maxout, reals(15), which, np.ones(60, "f"), 4, written=(2,))


@pytest.mark.kernels(
    "window.seq2col",
    "window.backprop_seq2col",
    "window.backprop_seq2col_in_order",
    "window.row_bounds",
    "window.sequence_offsets",
)
def test_windows():
    starts, ends = np.array([0, 0, 0, 3, 4, 4], "i"), np.array([3, 3, 3, 4, 6, 6], "i")
    agree(window.seq2col, np.ones((6, 15), "f"), reals(18), starts, ends, 3, 2)
    agree(window.backprop_seq2col, np.ones((6, 3), "f"), reals(6, 15), starts, ends, 2)
    agree(window.backprop_seq2col_in_order, np.ones((6, 3), "f"), reals(6, 15), starts, ends, 2)
    agree(
        window.row_bounds,
        np.array([3, 1, 2], "int64"),
        np.array([0, 3, 4, 6], "int64"),
        np.zeros(6, "i"),
        np.zeros(6, "i"),
        written=(2, 3),
    )
    lengths = np.array([3, 1, 2, -7], "int64")
    agree(window.sequence_offsets, np.zeros((1, 3), "int64"), np.zeros(5, "int64"), lengths, written=(0, 1))


@pytest.mark.kernels("embed.gather_add", "embed.scatter_add", "embed.scatter_add_rows")
def test_embeddings():
    indices = np.array([[0, 1, 1, 3], [2, 2, 2, 2]], "i")
    agree(embed.gather_add, np.ones((2, 6), "f"), reals(4, 6), indices)
    agree(embed.gather_add, np.ones((2, 6), "f"), reals(4, 6), indices[:, :3].copy())
    # Wide enough for rows to be asked for before they are read.
    many, wide = RNG.integers(0, 3, (6, 2)).astype("i"), reals(3, embed.NARROW)
    agree(embed.gather_add, np.ones((6, embed.NARROW), "f"), wide, many)
    agree(embed.scatter_add, many[:, 0].copy(), reals(6, embed.NARROW), wide, written=(2,))
    agree(embed.scatter_add_rows, many, reals(6, embed.NARROW), wide, written=(2,))
    agree(embed.scatter_add, np.array([1, 1, 0], "i"), reals(3, 6), reals(4, 6), written=(2,))
    agree(embed.scatter_add_rows, indices, reals(2, 6), reals(4, 6), written=(2,))


@wraps
@pytest.mark.kernels("hashing.hash_ids", "hashing.hash_rows", "hashing.ngrams")
def test_hashes_have_the_same_bits():
    ids = RNG.integers(0, 2**64, 6, dtype="uint64")
    agree(hashing.hash_ids, ids, np.zeros(12, "uint64"), 2**32 - 1, written=(1,))
    agree(hashing.hash_rows, np.zeros((6, 4), "i"), ids, 3, 1000)
    agree(hashing.ngrams, np.zeros(4, "uint64"), ids, 3)


@pytest.mark.kernels("positions.sines_and_cosines")
def test_sines_and_cosines_of_large_angles():
    agree(positions.sines_and_cosines, np.array([0, 1, 2, 3, 4, 5, 1e4, 2e9], "f"), np.zeros(16, "f"), written=(1,))


@wraps
@pytest.mark.kernels("dropout.dropout_mask", "dropout.dropout")
def test_dropout_draws_the_same_on_both_devices():
    key, threshold = np.uint32(0x12345678), np.uint32(0x40000000)
    agree(dropout.dropout_mask, np.zeros(200, "f"), key, threshold, 4 / 3, np.uint32(0))
    agree(dropout.dropout, np.zeros(200, "f"), reals(200), key, threshold, 4 / 3, np.uint32(0))


@both
@pytest.mark.kernels("optimise.adam", "optimise.move_average", "optimise.scale", "optimise.sum_of_squares")
def test_updates(dtype):
    w, g, m, v, average = reals(5, 30, dtype=dtype)
    v = abs(v)
    rates = (0.9, 0.999, 1e-8, 0.01)
    agree(optimise.adam, w, g, m, v, *rates, written=(0, 1, 2, 3))
    agree(optimise.move_average, average, w, 0.1)
    agree(optimise.scale, w, 3.0)
    agree(optimise.sum_of_squares, w, np.zeros(1, dtype), written=(1,))


@both
@pytest.mark.kernels(
    "optimise.chunk_squares",
    "optimise.chunk_adam",
    "optimise.chunk_adam_with_average",
    "optimise.chunk_sgd",
    "optimise.chunk_sgd_with_average",
)
def test_updates_of_whole_arenas(dtype):
    w, g, m, v, average = reals(5, 30, dtype=dtype)
    v = abs(v)
    bounds = np.array([[0, 8], [8, 13], [16, 30]], "int64")
    parameter = np.array([0, 0, 1], "i")
    rates = np.array([[0.9, 0.1, 0.999, 0.001, 1e-8, 0.01, 0.5, 0.01, 0.1, 1.0]] * 2).astype(dtype)
    agree(optimise.chunk_squares, np.zeros(3, dtype), bounds, g)
    agree(optimise.chunk_adam, bounds, parameter, rates, w, g, m, v, written=(3, 4, 5, 6))
    kernel = optimise.chunk_adam_with_average
    agree(kernel, bounds, parameter, rates, w, g, m, v, average, written=(3, 4, 5, 6, 7))
    agree(optimise.chunk_sgd, bounds, parameter, rates, w, g, written=(3, 4))
    agree(optimise.chunk_sgd_with_average, bounds, parameter, rates, w, g, average, written=(3, 4, 5))


def test_no_items_launch_nothing():
    empty = cuda.to_device(np.zeros((0, 3), "f"))
    softmax.backprop_softmax(empty, empty, empty, 1.0)
    optimise.scale(cuda.to_device(np.zeros(0, "f")), 2.0)
