"""The kernels of fused layers in Numba's CUDA simulator, against float64 numpy: a GPU does not run them yet."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numba import cuda

from murmur import x64_128
from thinc_nb.backends import CupyOps, NumpyOps
from thinc_nb.kernels import arrays, dense, dropout, hashed, maxout_norm

from .device import TOLERANCE, agree, on_device

FUSED = re.compile(r"hashed\.|maxout_norm\.|pairs\.|dense\.(backprop_)?bias_")
both = pytest.mark.parametrize("dtype", ["float32", "float64"])
wraps = pytest.mark.filterwarnings("ignore:.*overflow encountered in scalar:RuntimeWarning")
KEY, THRESHOLD, SCALE = np.uint32(0x12345678), np.uint32(0x60000000), 1.6
KEEP_ALL = (np.uint32(0), np.uint32(0), 1.0)


def double(*arrays: np.ndarray) -> list[np.ndarray]:
    return [array.astype("float64") for array in arrays]


# --- dense ----------------------------------------------------------------------------------------------------------


@both
@pytest.mark.kernels("dense.add_bias")
def test_bias(rng, dtype):
    z, bias = rng.standard_normal((35, 5)).astype(dtype), rng.standard_normal(5).astype(dtype)
    agree(on_device(dense.add_bias, z, bias)[0], z.astype("d") + bias)


@both
@pytest.mark.kernels("dense.column_sums")
def test_sums_of_columns(rng, dtype):
    x = rng.standard_normal((35, 5)).astype(dtype)
    sums = on_device(dense.column_sums, x, np.ones((2, 5), dtype))[1]
    agree(sums, np.stack([x[:32].sum(axis=0, dtype="d"), x[32:].sum(axis=0, dtype="d")]))


@both
@pytest.mark.kernels("arrays.clear")
def test_clear(dtype):
    assert not on_device(arrays.clear, np.ones(35, dtype))[0].any()


@both
@pytest.mark.kernels("arrays.transpose")
def test_transpose(rng, dtype):
    x = rng.standard_normal((5, 3)).astype(dtype)
    np.testing.assert_array_equal(on_device(arrays.transpose, np.zeros((3, 5), dtype), x)[0], x.T)


@both
@pytest.mark.kernels("dense.bias_relu", "dense.backprop_bias_relu")
def test_bias_and_relu(rng, dtype):
    z, dy, bias = rng.standard_normal((35, 5)), rng.standard_normal((35, 5)), rng.standard_normal(5)
    z, dy, bias = (array.astype(dtype) for array in (z, dy, bias))
    y = on_device(dense.bias_relu, z, bias)[0]
    agree(y, np.maximum(z.astype("d") + bias, 0))
    # 35 rows: the sums of one block, and of a second that is not full.
    blocks = dense.backprop_bias_relu.blocks(len(z), cuda.to_device(z))
    assert blocks == 2
    dz, _, _, sums = on_device(dense.backprop_bias_relu, np.ones_like(z), dy, y, np.ones((blocks, 5), dtype))
    agree(dz, np.where(y > 0, dy, 0))
    agree(sums, np.stack([dz[:32].sum(axis=0, dtype="d"), dz[32:].sum(axis=0, dtype="d")]))


@both
@pytest.mark.kernels("dense.bias_softmax")
def test_bias_and_softmax(rng, dtype):
    z, bias = (rng.standard_normal((3, 7)) * 9).astype(dtype), rng.standard_normal(7).astype(dtype)
    found = cuda.to_device(z.copy())
    dense.bias_softmax(found, found.reshape(21), cuda.to_device(bias))
    powers = np.exp(z.astype("d") + bias - (z.astype("d") + bias).max(axis=1, keepdims=True))
    agree(found.copy_to_host(), powers / powers.sum(axis=1, keepdims=True))


# --- hashed embeddings ----------------------------------------------------------------------------------------------


@both
@wraps
@pytest.mark.kernels("hashed.hash_embed", "hashed.backprop_hash_embed")
def test_hashed_embeddings(rng, dtype):
    table, ids = rng.standard_normal((5, 6)).astype(dtype), rng.integers(0, 2**64, (4, 3), dtype="uint64")
    column, seed, at = 1, 2**32 - 1, 2
    out, rows, *_ = on_device(
        hashed.hash_embed, np.ones((4, 9), dtype), np.zeros((4, 4), "i"), table, ids.reshape(-1), 3, column, seed, at
    )
    places = np.array([x64_128(int(key), seed) for key in ids[:, column]]) % len(table)
    np.testing.assert_array_equal(rows, places)
    agree(out[:, at : at + 6], table.astype("d")[places].sum(axis=1))
    assert (np.delete(out, range(at, at + 6), axis=1) == 1).all()  # What is beside it is not its own.

    d_out = rng.standard_normal((4, 9)).astype(dtype)
    truth = table.astype("d")
    np.add.at(truth, places, d_out.astype("d")[:, None, at : at + 6])
    agree(on_device(hashed.backprop_hash_embed, rows, d_out, table, at)[2], truth)


# --- maxout, layer normalisation, dropout, residual -------------------------------------------------------------------


def kept(shape: tuple[int, int], threshold: np.uint32) -> np.ndarray:
    """Which elements dropout keeps: those of the kernel of dropout alone, on the CPU."""
    mask = np.zeros(shape, "f")
    dropout.dropout_mask(mask.reshape(-1), KEY, threshold, 1.0, np.uint32(0))
    return mask != 0


class Truth:
    """The layers one after the other, in float64."""

    def __init__(self, z: np.ndarray, bias: np.ndarray, gain: np.ndarray, shift: np.ndarray, pieces: int):
        z, bias, self.gain, shift = double(z, bias, gain, shift)
        each = (z + bias).reshape(len(z), -1, pieces)
        self.which = each.argmax(axis=2)
        largest = each.max(axis=2)
        centred = largest - largest.mean(axis=1, keepdims=True)
        self.rstd = 1 / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-8)
        self.normed = centred * self.rstd
        self.y = self.normed * self.gain + shift
        self.pieces = pieces

    def gradients(self, dy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of z, and those of gain, shift and bias one after the other."""
        g = dy * self.gain
        d = self.rstd * (
            g - g.mean(axis=1, keepdims=True) - self.normed * (g * self.normed).mean(axis=1, keepdims=True)
        )
        dz = (np.arange(self.pieces) == self.which[:, :, None]) * d[:, :, None]
        dz = dz.reshape(len(dy), -1)
        return dz, np.concatenate([(dy * self.normed).sum(axis=0), dy.sum(axis=0), dz.sum(axis=0)])


def arguments(rng: np.random.Generator, dtype: str, rows: int, width: int, pieces: int) -> list[np.ndarray]:
    """z, bias, gain, shift and x."""
    shapes = (rows, width * pieces), (width * pieces,), (width,), (width,), (rows, width)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@both
@wraps
@pytest.mark.parametrize(("pieces", "dropped"), [(2, False), (3, True)], ids=["all kept", "dropout"])
@pytest.mark.kernels("maxout_norm.maxout_norm", "maxout_norm.backprop_maxout_norm")
def test_maxout_norm(rng, dtype, pieces, dropped):
    rows, width = 34, 5
    z, bias, gain, shift, x = arguments(rng, dtype, rows, width, pieces)
    mask = (KEY, THRESHOLD, SCALE) if dropped else KEEP_ALL
    keep = kept((rows, width), mask[1]) * mask[2]
    truth = Truth(z, bias, gain, shift, pieces)
    room = [np.ones((rows, width), dtype), np.ones((rows, width), "B"), np.ones(rows, dtype)]
    y, _, _, _, _, _, normed, which, rstd, *_ = on_device(
        maxout_norm.maxout_norm, np.ones_like(x), z, bias, gain, shift, x, *room, pieces, int(dropped), *mask
    )
    assert not dropped or 0 < (keep == 0).mean() < 1
    agree(y, truth.y * keep + (x if dropped else 0))
    agree(normed, truth.normed)
    agree(rstd, truth.rstd[:, 0])
    np.testing.assert_array_equal(which, truth.which)

    dy = rng.standard_normal((rows, width)).astype(dtype)
    kernel = maxout_norm.backprop_maxout_norm
    sums = np.ones((kernel.blocks(rows, cuda.to_device(z)), width * (2 + pieces)), dtype)
    assert len(sums) == 2
    dz, _, _, _, _, _, sums, *_ = on_device(
        kernel, np.ones_like(z), dy, normed, which, rstd, gain, sums, np.ones_like(dy), pieces, 0, *mask
    )
    d_truth, sums_truth = truth.gradients(dy.astype("d") * keep)
    agree(dz, d_truth)
    np.testing.assert_allclose(sums.sum(axis=0), sums_truth, rtol=0, atol=10 * TOLERANCE[dtype])


@both
@pytest.mark.kernels("maxout_norm.backprop_maxout_norm")
def test_gradients_of_pairs(rng, dtype):
    rows, width, pieces = 35, 5, 3
    outs = width * pieces
    z, bias, gain, shift, _ = arguments(rng, dtype, rows, width, pieces)
    truth = Truth(z, bias, gain, shift, pieces)
    kept = truth.normed.astype(dtype), truth.which.astype("B"), truth.rstd[:, 0].astype(dtype)
    dy, kernel = rng.standard_normal((rows, width)).astype(dtype), maxout_norm.backprop_maxout_norm
    sums = np.ones((kernel.blocks(rows + 1, cuda.to_device(z)), width * (2 + pieces)), dtype)
    dz, _, _, _, _, _, sums, *_ = on_device(
        kernel, np.ones((rows + 1, 2 * outs), dtype), dy, *kept, gain, sums, np.ones_like(dy), pieces, 1, *KEEP_ALL
    )
    d_truth, sums_truth = truth.gradients(dy.astype("d"))
    even, odd = np.vstack([d_truth, np.zeros((1, outs))]).reshape(-1, 2, outs).transpose(1, 0, 2)
    agree(dz.reshape(-1, 4 * outs), np.hstack([even, even + odd, even - odd, odd]))
    np.testing.assert_allclose(sums.sum(axis=0), sums_truth, rtol=0, atol=10 * TOLERANCE[dtype])


@both
@pytest.mark.parametrize("pieces", [2, 3])
@pytest.mark.kernels("maxout_norm.maxout_norm_only")
def test_maxout_norm_for_prediction(rng, dtype, pieces):
    z, bias, gain, shift, x = arguments(rng, dtype, 3, 5, pieces)
    truth = Truth(z, bias, gain, shift, pieces).y
    for residual in (0, 1):
        y = on_device(maxout_norm.maxout_norm_only, np.ones_like(x), z, bias, gain, shift, x, pieces, residual)[0]
        agree(y, truth + residual * x.astype("d"))


@both
@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.kernels("maxout_norm.windows", "maxout_norm.backprop_windows")
def test_windows(rng, dtype, window):
    rows, width = 4, 3
    span = 2 * window + 1
    x, dy = (rng.standard_normal((rows, width)).astype(dtype) for _ in range(2))
    around = np.vstack([np.zeros((window, width)), x, np.zeros((window, width))])
    columns = np.hstack([around[k : k + rows] for k in range(span)])
    agree(
        on_device(maxout_norm.windows, np.ones((rows, span * width), dtype), x.reshape(-1), width, window)[0], columns
    )

    d_columns = rng.standard_normal((rows, span * width)).astype(dtype)
    d_around = np.zeros_like(around)
    for k in range(span):
        d_around[k : k + rows] += d_columns[:, k * width : (k + 1) * width]
    for residual in (0, 1):
        dx = on_device(maxout_norm.backprop_windows, np.ones_like(x), dy, d_columns, window, residual)[0]
        agree(dx, d_around[window : window + rows] + residual * dy)


# --- where they run -------------------------------------------------------------------------------------------------


@wraps
@pytest.mark.without_contracts
def test_layers_on_a_gpu_run_one_by_one_and_give_what_the_fused_ones_give(rng, cupy, launches):
    from thinc_nb.api import HashEmbed, LayerNorm, Maxout, Relu, Softmax, chain, concatenate, expand_window, residual

    def build(ops: Any) -> Any:
        block = chain(expand_window(1), Maxout(nO=4, nP=3), LayerNorm(4))
        tables = concatenate(HashEmbed(2, 5, column=0, seed=1), HashEmbed(2, 5, column=1, seed=2))
        model = chain(tables, residual(block), Relu(3), Softmax(2))
        for node in model.walk():
            node.ops = ops
        return model

    ids, dY = rng.integers(0, 99, (4, 2)).astype("uint64"), rng.standard_normal((4, 2)).astype("f")
    plain = build(NumpyOps()).initialize(ids, dY)
    expected, expected_callback = plain.begin_update(ids)
    expected_callback(dY)
    assert "maxout_norm" in str(plain.explain())

    model = build(CupyOps()).from_bytes(plain.to_bytes())
    Y, callback = model.begin_update(cupy.asarray(ids))
    callback(cupy.asarray(dY))
    assert launches
    assert not list(filter(FUSED.match, launches))
    agree(Y.get(), expected)
    for ours, other in zip(model.walk(), plain.walk(), strict=True):
        for name in other.param_names:
            agree(ours.get_grad(name).get(), other.get_grad(name))
