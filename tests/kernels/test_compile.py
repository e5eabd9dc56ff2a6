"""A body is bound to a precision and a device by its arguments, and keeps to both."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import llvmlite.binding
import numpy as np
import pytest

from thinc_nb.kernels import KERNELS, Kernel, _threads, cache_info
from thinc_nb.kernels._bind import Binder
from thinc_nb.kernels._cpu import compile_loop
from thinc_nb.kernels._types import loop_types
from thinc_nb.kernels._words import Inline, Int32s1d, Reals1d, Word, exp, inline
from thinc_nb.kernels.activations import gelu, relu
from thinc_nb.kernels.dense import bias_softmax
from thinc_nb.kernels.dropout import dropout
from thinc_nb.kernels.maxout import maxout_3
from thinc_nb.kernels.normalise import backprop_layer_norm, layer_norm
from thinc_nb.kernels.optimise import chunk_adam, scale
from thinc_nb.kernels.softmax import backprop_softmax, softmax
from thinc_nb.kernels.window import backprop_seq2col

HALF = 0.5


@inline
def halved(x: float) -> float:
    return x * HALF


def body(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = exp(halved(x[i]))


def test_constants_take_the_precision_of_the_first_reals():
    x = np.linspace(-4, 4, 101)
    out = np.empty_like(x)
    gelu(out, x)
    # A float32 constant in the float64 body would show as an error of 1e-8.
    erf = np.array([__import__("math").erf(v / np.sqrt(2)) for v in x])
    np.testing.assert_allclose(out, x * (0.5 + 0.5 * erf), rtol=1e-14, atol=1e-15)


def test_binding_replaces_words_and_casts_floats_and_leaves_the_function_alone():
    words = {"exp": np.exp}
    binder = Binder("f32", words, lambda function: function)
    bound = binder.bind(body, name="another")
    assert bound.__name__ == "another"
    assert bound.__code__ is body.__code__
    assert bound.__globals__["exp"] is np.exp
    assert type(bound.__globals__["halved"].__globals__["HALF"]) is np.float32
    assert isinstance(body.__globals__["exp"], Word)
    assert isinstance(body.__globals__["halved"], Inline)
    out = np.zeros(2, dtype="f")
    bound(1, out, np.array([0.0, 2.0], dtype="f"))
    np.testing.assert_allclose(out, [0, np.e], rtol=1e-6)


def test_only_functions_can_be_bound():
    with pytest.raises(TypeError, match="only plain functions"):
        Binder("f32", {}, lambda function: function).bind(np.exp)


def test_a_word_outside_a_kernel_says_so():
    with pytest.raises(RuntimeError, match="'exp' has no meaning outside a compiled kernel"):
        exp(1.0)


def test_scalars_take_the_precision_of_the_arrays():
    for dtype in ("float32", "float64"):
        x = np.ones(3, dtype=dtype)
        scale(x, 0.1)
        assert x.dtype == dtype
        assert x[0] == np.dtype(dtype).type(0.1)


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_arguments_is_named(count):
    arrays = [np.ones(3, "float32")] * count
    with pytest.raises(TypeError, match=rf"kernel activations.relu takes 2 arguments, out, x, got {count}"):
        relu(*arrays)
    relu(arrays[0], arrays[0])


def test_no_items_is_no_work():
    relu(np.empty(0, dtype="f"), np.empty(0, dtype="f"))
    empty = np.empty((0, 5), dtype="f")
    softmax(empty, empty.reshape(-1), empty, 1.0)


def test_blocks_are_counted_for_the_device():
    x = np.empty((513, 2), dtype="f")
    assert backprop_layer_norm.blocks(0, x) == 0
    assert backprop_layer_norm.blocks(1, x) == 1
    assert backprop_layer_norm.blocks(513, x) == 3
    assert backprop_layer_norm.blocks(513, object()) == 17


def test_kernels_are_registered_with_the_types_they_take():
    assert KERNELS["optimise.scale"] is scale
    assert scale.annotations == [("x", "Reals1d"), ("factor", "float")]
    assert softmax.annotations[0] == ("out", "Reals2d")


def test_many_threads_may_make_the_first_call():
    def double(i: int, out: Reals1d, x: Reals1d) -> None:
        out[i] = x[i] + x[i]

    kernel = Kernel(double, "items")
    x = np.arange(1000, dtype="f")
    results = [np.zeros(1000, dtype="f") for _ in range(8)]
    try:
        threads = [threading.Thread(target=kernel, args=(out, x)) for out in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        del KERNELS[kernel.name]
    for out in results:
        np.testing.assert_array_equal(out, 2 * x)


def test_cache_info_counts_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    info = cache_info()
    assert (info.entries, info.bytes, info.kernels) == (0, 0, ())
    assert info.folder is not None
    info.folder.mkdir()
    (info.folder / "softmax.softmax-f32-0011223344556677.kernel").write_bytes(b"123")
    info = cache_info()
    assert (info.entries, info.bytes, info.kernels) == (1, 3, ("softmax.softmax-f32",))
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    assert cache_info().folder is None


LINE = 64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 3])
def test_items_are_the_same_and_all_there_wherever_arrays_begin(rng, dtype, threads):
    """Numbers, several to an item, and what counts items: done up to a line of the cache first, and on from there."""
    before = _threads.num_threads
    _threads.share(threads)
    try:
        for size in (0, 1, 4095, 4096, 4097, 100_003):
            x, pieces = rng.standard_normal(size).astype(dtype), rng.standard_normal(3 * size).astype(dtype)
            results = set()
            for start in (0, 1, 4, 15):
                room = at_line(7 * size + 60, dtype)
                room[:] = 7
                parts = [room[start + 10 + k * (size + 15) :][:size] for k in range(3)]
                parts[1][:] = x
                which = np.full(size, 9, "i")
                maxout_3(parts[0], which, pieces)
                gelu(parts[2], parts[1])
                gelu(parts[1], parts[1])
                np.testing.assert_array_equal(parts[1], parts[2])
                np.testing.assert_array_equal(parts[0], pieces.reshape(size, 3).max(axis=1))
                dropout(parts[2], parts[1], np.uint32(5), np.uint32(1 << 31), 2.0, np.uint32(3))
                results.add(b"".join(part.tobytes() for part in (*parts, which)))
                assert (room == 7).sum() == room.size - 3 * size
            assert len(results) == 1
    finally:
        _threads.share(before)


def at_line(size: int, dtype: str) -> np.ndarray:
    """An array that begins where a line of the cache does."""
    memory = np.empty(size * np.dtype(dtype).itemsize + LINE, "u1")
    start = -memory.ctypes.data % LINE
    return memory[start : memory.size - LINE + start].view(dtype)


def inspected(kernel: Kernel[...], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    loop = compile_loop(kernel, "f32", "inspected")
    loop.compile(loop_types(kernel, "f32"))
    return loop.inspect_llvm(loop.signatures[0])


@pytest.mark.parametrize("kernel", [relu, backprop_seq2col], ids=lambda kernel: kernel.name)
def test_compiled_loops_count_no_references(kernel, monkeypatch):
    # A view for each row would cost two atomic additions each: three times the time of the gradient of a window.
    assert "NRT_" not in inspected(kernel, monkeypatch)


def test_vectors_are_as_wide_as_the_registers(monkeypatch):
    code = inspected(relu, monkeypatch)
    assert '"prefer-vector-width"="512"' in code
    if llvmlite.binding.get_host_cpu_features().get("avx512f"):
        assert "<16 x float>" in code
        # LLVM 15, that of Numba 0.61, makes no vectors of this loop.
        if llvmlite.binding.llvm_version_info >= (20, 0, 0):
            assert "<16 x float>" in inspected(backprop_seq2col, monkeypatch)


@pytest.mark.parametrize("kernel", [relu, gelu], ids=lambda kernel: kernel.name)
def test_loops_over_items_do_not_ask_whether_arrays_overlap(kernel, monkeypatch):
    # In place they do, and then gelu took ten times as long, in a loop without vectors.
    assert "memcheck" not in inspected(kernel, monkeypatch)


@pytest.mark.parametrize("kernel", [gelu, backprop_seq2col, softmax], ids=lambda kernel: kernel.name)
def test_stacks_begin_where_lines_of_the_cache_do(kernel, monkeypatch):
    # Registers that are put aside else lie across two lines in some processes, and loops take half as long again there.
    assert "alignstack=64" in inspected(kernel, monkeypatch)


@pytest.mark.parametrize(
    "kernel",
    [gelu, softmax, backprop_softmax, bias_softmax, layer_norm, backprop_layer_norm, chunk_adam],
    ids=lambda kernel: kernel.name,
)
def test_loops_do_not_ask_whether_arrays_overlap(kernel, monkeypatch):
    # In place they would take a loop without vectors then: half as long again for softmax, ten times for gelu.
    llvm = inspected(kernel, monkeypatch)
    assert "vector.body" in llvm
    assert "vector.memcheck" not in llvm


def test_a_kernel_is_one_loop_its_entry_from_python_and_each_product_once():
    # Of four products, and without what numba compiles beside it: machine code of the parts, and an entry from C.
    code = (
        "import re; from thinc_nb.kernels import pairs; from thinc_nb.kernels._warmup import compile_one;"
        "compile_one('pairs.backprop_product_pairs', 'f32');"
        "(loop,) = pairs.backprop_product_pairs._single.overloads.values();"
        "print(*re.findall(r'^define .*?@(.*?)[(]', loop.library.get_llvm_str(), re.MULTILINE))"
    )
    env = {**os.environ, "THINC_NB_CACHE_DIR": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    names = done.stdout.split()
    assert len(names) == 4
    for part in ("backprop_product_pairs", "7cpython", "_multiply", "task"):
        assert any(part in name for name in names)


@pytest.fixture
def two_threads():
    before = _threads.num_threads
    _threads.share(2)
    yield
    _threads.share(before)


def looked_up(i: int, out: Reals1d, places: Int32s1d, table: Reals1d, few: Reals1d) -> None:
    out[i] = table[places[i]] + few[-1]


@pytest.mark.parametrize("items", [5000, 1 << 16])
@pytest.mark.parametrize("size", [1, 300, 10_000, 1 << 17])
def test_arrays_that_belong_to_all_items_are_not_divided(two_threads, items, size):
    rng = np.random.default_rng(0)
    places, table, few = rng.integers(0, size, items, "i"), rng.random(size, "f"), rng.random(7, "f")
    # In numpy's memory an array begins where a line of the cache does, or 16 bytes behind.
    for start in (0, 1):
        out = np.zeros(items + 1, "f")[start : items + start]
        kernel = Kernel(looked_up, "items")
        for _ in range(3):
            kernel(out, places, table, few)
            np.testing.assert_array_equal(out, table[places] + few[-1])


PRINTING = """
from __future__ import annotations
import numpy
from thinc_nb.kernels import Reals1d, elementwise, inline

@inline
def seen(i, v):
    print("seen", i, v)
    return v

@elementwise
def body(i: int, out: Reals1d, x: Reals1d) -> None:
    print(i, x[i])
    out[i] = seen(i, x[i])
    if x[i] > 1.0:
        raise ValueError("large")

try:
    body(numpy.zeros(3, "f"), numpy.arange(3, dtype="f"))
except ValueError as error:
    print(error.args)
"""


def test_a_body_may_print_and_raise_whether_it_was_compiled_here_or_kept(tmp_path):
    (tmp_path / "program.py").write_text(PRINTING)
    env = {**os.environ, "THINC_NB_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, tmp_path / "program.py"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.stderr == ""
        expected = [line for i in range(3) for line in (f"{i} {i}.0", f"seen {i} {i}.0")]
        assert done.stdout.splitlines() == [*expected, "('large',)"]
