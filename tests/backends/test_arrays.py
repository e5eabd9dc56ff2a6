"""What moves arrays, against numpy: bits, layouts, and whose memory the result has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thinc_nb.backends import NumpyOps
from thinc_nb.backends.arrays import TRANSPOSED_FROM
from thinc_nb.kernels import arrays as kernels

ops = NumpyOps()
DTYPES = [
    "f2",
    "f4",
    "f8",
    ">f4",
    "i1",
    "i4",
    "i8",
    "u2",
    "u4",
    "u8",
    ">u8",
    "?",
    "c8",
    "c16",
    "U1",
    "S8",
    "M8[D]",
    "V3",
]


def bits_of(shape, dtype):
    rng, kind = np.random.default_rng(0), np.dtype(dtype)
    count = int(np.prod(shape))
    if kind.kind == "U":
        return rng.integers(97, 123, count, "u4").view(kind).reshape(shape)
    highest = 2 if kind.kind == "b" else 256
    return rng.integers(0, highest, count * kind.itemsize, "u1").view(kind).reshape(shape)


# --- as_contig ------------------------------------------------------------------------------------------------------


@pytest.fixture
def transposed(monkeypatch):
    """The shapes that the kernel has made."""
    shapes = []
    run = kernels.transpose.run

    def noted(out, x):
        shapes.append(out.shape)
        run(out, x)

    monkeypatch.setattr(kernels.transpose, "run", noted)
    return shapes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(128, 128), (130, 147), (5500, 3), (2, 8200), (20000, 1)])
def test_a_matrix_in_fortrans_order_becomes_contiguous_bit_by_bit(transposed, dtype, shape):
    X = bits_of(shape[::-1], dtype).T
    Y = ops.as_contig(X)
    assert Y.dtype == X.dtype
    assert Y.flags.c_contiguous
    assert Y.flags.writeable
    assert Y.tobytes() == np.ascontiguousarray(X).tobytes()
    is_word = X.itemsize in (4, 8)
    assert transposed == ([shape] if is_word and not X.flags.c_contiguous else [])


def test_what_is_contiguous_is_given_back(transposed):
    X = np.ones((200, 170), "f4")
    assert ops.as_contig(X) is X
    assert ops.as_contig(X, dtype="float32") is X
    assert transposed == []


@pytest.mark.parametrize("dtype", [None, "float64", np.float64, np.dtype("f8")])
def test_a_dtype_that_it_has_may_be_named(transposed, dtype):
    X = np.random.default_rng(0).random((170, 190)).T
    np.testing.assert_array_equal(ops.as_contig(X, dtype=dtype), X)
    assert transposed == [X.shape]


class Named(np.ndarray):
    pass


@pytest.mark.parametrize(
    "X",
    [
        pytest.param(np.random.default_rng(0).random((190, 170)).T[::2], id="every other column of rows"),
        pytest.param(np.random.default_rng(0).random((190, 170)).T[:, ::-1], id="backwards"),
        pytest.param(np.random.default_rng(0).random((9, 170, 20)).transpose(2, 1, 0), id="3 dimensions"),
        pytest.param(np.random.default_rng(0).random((9, 8)).T, id="small"),
        pytest.param(np.random.default_rng(0).random((0, 8)).T, id="no columns"),
        pytest.param(np.random.default_rng(0).random((190, 170)).T.view(Named), id="a class of its own"),
        pytest.param(np.full((190, 170), None, object).T, id="objects"),
        pytest.param(np.zeros((190, 170), [("a", object)]).T, id="fields that hold objects"),
    ],
)
def test_others_are_left_to_numpy(transposed, X):
    Y = ops.as_contig(X)
    assert type(Y) is np.ndarray
    assert Y.flags.c_contiguous
    assert Y.tolist() == X.tolist()
    assert transposed == []


def test_read_only_matrices_and_other_precisions_become_contiguous(transposed):
    X = np.random.default_rng(0).random((190, 170)).T
    X.flags.writeable = False
    Y = ops.as_contig(X)
    assert Y.flags.writeable
    np.testing.assert_array_equal(Y, X)
    assert ops.as_contig(X, dtype="float32").dtype == "float32"
    assert transposed == []


def test_sixteen_threads_transpose_at_once():
    given = [np.random.default_rng(k).random((300 + k, 200)).T for k in range(16)]
    with ThreadPoolExecutor(16) as pool:
        for X, Y in zip(given * 5, pool.map(ops.as_contig, given * 5), strict=True):
            assert (X == Y).all()


def test_the_smallest_that_is_transposed(transposed):
    for columns in (127, 128):
        X = np.ones((columns, TRANSPOSED_FROM // 128), "f4").T
        ops.as_contig(X)
    assert transposed == [(TRANSPOSED_FROM // 128, 128)]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_operations_take_what_is_in_fortrans_order_by_the_same_way(transposed, dtype):
    X = np.random.default_rng(0).standard_normal((150, 130)).astype(dtype)
    turned = np.asfortranarray(X)
    np.testing.assert_array_equal(ops.gelu(turned), ops.gelu(X))
    np.testing.assert_array_equal(ops.softmax(X, axis=0), ops.softmax(np.ascontiguousarray(X.T)).T)
    assert transposed == [X.shape, X.shape[::-1], X.shape]
