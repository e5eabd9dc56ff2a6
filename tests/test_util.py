"""Utilities. Facts "observed" were seen in Thinc 9.1.1."""

from __future__ import annotations

import random
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from thinc_nb import compat, util
from thinc_nb.backends import NumpyOps, get_current_ops
from thinc_nb.types import ArgsKwargs, Padded, Ragged
from thinc_nb.util import get_width, to_categorical

# The functions and classes of thinc.util.
NAMES = """
ArrayInfo DataValidationError assert_mxnet_installed assert_pytorch_installed assert_tensorflow_installed
convert_recursive copy_array data_validation fix_random_seed get_array_module get_torch_default_device get_width
gpu_is_available is_cupy_array is_mxnet_array is_mxnet_gpu_array is_numpy_array is_tensorflow_array
is_tensorflow_gpu_array is_torch_array is_torch_cuda_array is_torch_gpu_array is_torch_mps_array is_xp_array
iterate_recursive make_tempfile mxnet2xp partial prefer_gpu require_cpu require_gpu set_active_gpu tensorflow2xp
to_categorical to_numpy torch2xp use_nvtx_range validate_fwd_input_output xp2mxnet xp2tensorflow xp2torch has_cupy
has_cupy_gpu has_gpu has_mxnet has_tensorflow has_torch has_torch_cuda_gpu has_torch_mps cupy torch DATA_VALIDATION
""".split()  # noqa: SIM905


def test_all_names_of_thinc_are_there() -> None:
    assert [name for name in NAMES if not hasattr(util, name)] == []
    assert [name for name in util.__all__ if not hasattr(util, name)] == []


# Seeds and devices


def test_one_seed_gives_the_same_numbers_again() -> None:
    util.fix_random_seed(3)
    assert (random.random(), np.random.rand()) == (0.23796462709189137, 0.5507979025745755)  # observed
    util.fix_random_seed()
    assert (random.random(), np.random.rand()) == (0.8444218515250481, 0.5488135039273248)  # observed


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_bad_seed_changes_nothing(seed: int) -> None:
    random.seed(1)
    with pytest.raises(ValueError, match="Seed must be between"):
        util.fix_random_seed(seed)
    number = random.random()
    random.seed(1)
    assert number == random.random()


def without_gpu(monkeypatch: pytest.MonkeyPatch, **known: Any) -> None:
    nothing = {"cupy": None, "has_cupy": False, "has_cupy_gpu": False, "has_gpu": False, "has_torch_mps": False}
    for name, value in {**nothing, **known}.items():
        monkeypatch.setitem(vars(compat), name, value)


def test_no_gpu_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    without_gpu(monkeypatch)
    assert not util.gpu_is_available()
    assert not util.prefer_gpu()
    with pytest.raises(ValueError, match=r"Cannot use GPU, CuPy is not installed: pip install 'thinc_nb\[cuda"):
        util.require_gpu()
    with pytest.raises(ValueError, match="No CUDA GPU devices detected"):
        util.set_active_gpu(0)
    without_gpu(monkeypatch, has_cupy=True)
    with pytest.raises(ValueError, match="no GPU devices detected"):
        util.require_gpu()


def test_require_cpu_sets_the_ops() -> None:
    assert util.require_cpu() is True
    assert isinstance(get_current_ops(), NumpyOps)


def test_nvtx_range_is_pushed_and_popped_even_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    nvtx = types.SimpleNamespace(RangePush=lambda *args: calls.append(args), RangePop=lambda: calls.append("pop"))
    cupy: Any = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(nvtx=nvtx)
    without_gpu(monkeypatch, cupy=cupy, has_cupy_gpu=True)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    with pytest.raises(RuntimeError), util.use_nvtx_range("mine", 3):
        raise RuntimeError
    assert calls == [("mine", 3), "pop"]


def test_nvtx_range_without_gpu_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    without_gpu(monkeypatch, has_torch_cuda_gpu=False)
    with util.use_nvtx_range("mine") as nothing:
        assert nothing is None


# Categories and widths


@given(hnp.arrays("int64", hnp.array_shapes(max_dims=3, max_side=4), elements=st.integers(0, 5)))
def test_to_categorical_marks_the_class(Y: Any) -> None:
    rows = to_categorical(Y, 6)
    assert rows.shape == (*Y.shape, 6)
    assert rows.dtype == "float32"
    np.testing.assert_array_equal(rows.argmax(axis=-1), Y)
    np.testing.assert_array_equal(rows.sum(axis=-1), np.ones(Y.shape))
    assert to_categorical(Y).shape[-1] == Y.max() + 1


def test_to_categorical_smooths_labels() -> None:
    rows = to_categorical(np.asarray([0, 2]), 3, label_smoothing=0.1)
    np.testing.assert_allclose(rows, [[0.9, 0.05, 0.05], [0.05, 0.05, 0.9]])


def test_to_categorical_of_nothing_needs_the_number_of_classes() -> None:
    empty = np.zeros(0, dtype="int32")
    assert to_categorical(empty, 3).shape == (0, 3)
    with pytest.raises(ValueError, match="n_classes"):
        to_categorical(empty)


@pytest.mark.parametrize(
    ("n_classes", "label_smoothing", "error", "message"),
    [
        (3, 2 / 3, ValueError, "For 3 classes label_smoothing parameter has to be less than 0.666"),
        (3, -0.1, ValueError, "greater than or equal to 0"),
        (1, 0.1, ValueError, "n_classes should be greater than 1"),
        (2, 0.0, IndexError, "there is no class 2 among 2"),
        (0, 0.0, ValueError, "n_classes should be at least 1, got 0"),
    ],
)
def test_to_categorical_refuses(n_classes: int, label_smoothing: float, error: Any, message: str) -> None:
    Y = np.asarray([0] if n_classes == 1 else [0, 2, 1])
    with pytest.raises(error, match=message):
        to_categorical(Y, n_classes, label_smoothing=label_smoothing)


def test_to_categorical_takes_arrays_only() -> None:
    Y: Any = [0, 1]
    with pytest.raises(ValueError, match="list"):
        to_categorical(Y)


@pytest.mark.parametrize(
    ("X", "width"),
    [
        (np.zeros((2, 3)), 3),
        (np.zeros((2, 3, 5)), 5),
        (np.asarray([5, 2]), 6),
        (np.asarray([1.7, 2.2]), 3),
        (np.asarray(4), 0),
        (np.zeros((0, 3)), 3),
        (Ragged(np.zeros((2, 3)), np.asarray([2])), 3),
        (Ragged(np.zeros((2, 3, 4)), np.asarray([2])), 12),
        (Padded(np.zeros((2, 1, 7)), *[np.zeros(1, "i")] * 3), 7),
        ([np.zeros((2, 3))], 3),
        (([np.zeros((2, 9))],), 9),
        ([], 0),
    ],
)
def test_width_is_that_of_thinc(X: Any, width: int) -> None:
    assert get_width(X) == width  # observed


def test_width_of_other_dims_and_objects() -> None:
    assert get_width(np.zeros((2, 3)), dim=0) == 2
    with pytest.raises(IndexError, match="dim 2"):
        get_width(np.zeros((2, 3)), dim=2)
    for X in (3, "abc", None, {"a": 1}, [1], np.zeros(0)):
        with pytest.raises(ValueError, match="width"):
            get_width(X)


# Arrays


def test_copy_array_writes_into_the_array() -> None:
    dst = np.zeros(3, dtype="float32")
    util.copy_array(dst, np.arange(3.0))
    assert dst.tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="broadcast"):
        util.copy_array(dst, np.zeros(4))
    wrong: Any = [1]
    with pytest.raises(TypeError, match="list"):
        util.copy_array(wrong, np.zeros(1))


def test_to_numpy() -> None:
    X = np.zeros(2)
    assert util.to_numpy(X) is X
    assert util.to_numpy([1.0, 2.0]).tolist() == [1.0, 2.0]
    assert util.to_numpy(3).shape == ()


def test_array_info_compares_gradients() -> None:
    info = util.ArrayInfo.from_array(np.zeros((2, 3), dtype="float32"))
    info.check_consistency(np.zeros((2, 3), dtype="float32"))
    with pytest.raises(ValueError, match=r"Shape mismatch in backprop. Y: \(2, 3\), dY: \(2, 4\)"):
        info.check_consistency(np.zeros((2, 4), dtype="float32"))
    with pytest.raises(ValueError, match=r"Type mismatch in backprop. Y: float32, dY: float64"):
        info.check_consistency(np.zeros((2, 3)))


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("is_")])
def test_nothing_else_is_an_array(name: str) -> None:
    is_kind = getattr(util, name)
    assert not any(is_kind(obj) for obj in ([1], 3, "a", None))
    assert is_kind(np.zeros(2)) is (name in ("is_numpy_array", "is_xp_array"))


@pytest.mark.parametrize(
    ("convert", "framework"),
    [
        (util.xp2tensorflow, "TensorFlow"),
        (util.tensorflow2xp, "TensorFlow"),
        (util.xp2mxnet, "MXNet"),
        (util.mxnet2xp, "MXNet"),
    ],
)
def test_conversion_without_framework_is_an_import_error(convert: Any, framework: str) -> None:
    with pytest.raises(ImportError, match=framework):
        convert(np.zeros(2))


def test_conversion_without_torch_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(compat), "torch", None)
    for convert in (util.xp2torch, util.torch2xp):
        with pytest.raises(ImportError, match="PyTorch"):
            convert(np.zeros(2))
    with pytest.raises(ValueError, match="Torch is not available"):
        util.get_torch_default_device()


def test_torch_tensors_share_memory_with_arrays() -> None:
    torch = pytest.importorskip("torch")
    X = np.arange(3.0, dtype="float32")
    tensor = util.xp2torch(X, requires_grad=True)
    assert tensor.requires_grad
    back = util.torch2xp(tensor)
    assert np.shares_memory(back, X)
    assert util.is_torch_array(tensor)
    assert not util.is_torch_gpu_array(tensor)
    assert util.to_numpy(tensor).tolist() == [0.0, 1.0, 2.0]
    assert util.get_torch_default_device() == torch.device("cpu")


def test_arrays_that_torch_cannot_share_are_copied() -> None:
    pytest.importorskip("torch")
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    for X in (np.arange(3.0)[::-1], frozen, np.arange(3.0).astype(">f8")):
        assert util.torch2xp(util.xp2torch(X)).tolist() == X.tolist()
    wrong: Any = [1.0]
    with pytest.raises(TypeError, match="list"):
        util.xp2torch(wrong)
    with pytest.raises(TypeError, match="ndarray"):
        util.torch2xp(np.zeros(1))


# Nested data


def is_int(obj: Any) -> bool:
    return isinstance(obj, int)


def tenfold(obj: int) -> int:
    return obj * 10


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("nested", "converted", "found"),
    [
        (3, 30, [3]),
        ("a", "a", []),
        ([1, "a"], [10, "a"], [1]),
        ((1, [2, (3,)]), (10, [20, (30,)]), [1, 2, 3]),
        ({"a": 1, 2: "b"}, {"a": 10, 20: "b"}, [1, 2]),
        (ArgsKwargs((1, "x"), {"k": 2}), ArgsKwargs((10, "x"), {"k": 20}), [0, 1, 1, 2]),
        ({1, 2}, {1, 2}, []),
        (Point(1, 2), Point(10, 20), [1, 2]),
    ],
)
def test_recursion_goes_into_containers(nested: Any, converted: Any, found: list[int]) -> None:
    made = util.convert_recursive(is_int, tenfold, nested)
    assert made == converted  # observed
    assert type(made) is type(converted)
    assert list(util.iterate_recursive(is_int, nested)) == found  # observed


def test_recursion_prefers_the_match_to_going_in() -> None:
    assert util.convert_recursive(lambda obj: isinstance(obj, list), len, [[1], [2]]) == 2


def test_partial_keeps_the_docstring() -> None:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    made = util.partial(add, 1, b=2)
    assert made() == 3
    assert made.__doc__ == "Add."


def test_temporary_file_is_gone_afterwards() -> None:
    with util.make_tempfile("w+") as file:
        path = Path(file.name)
        file.write("text")
        file.flush()
        assert path.read_text() == "text"
    assert file.closed
    assert not path.exists()
    with pytest.raises(RuntimeError), util.make_tempfile() as file:
        raise RuntimeError
    assert not Path(file.name).exists()


@pytest.mark.parametrize("wrong", [3, 7, -4])
def test_to_categorical_names_a_class_that_there_is_not(wrong: int) -> None:
    with pytest.raises(IndexError, match=f"there is no class {wrong} among 3"):
        to_categorical(np.array([1, wrong]), 3)
