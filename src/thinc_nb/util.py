"""Functions around models and arrays: devices, seeds, shapes, categories, nested data, validation."""

from __future__ import annotations

import functools
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import compat
from ._described import kind_of
from ._interop import (
    assert_mxnet_installed,
    assert_pytorch_installed,
    assert_tensorflow_installed,
    get_array_module,
    get_torch_default_device,
    is_cupy_array,
    is_mxnet_array,
    is_mxnet_gpu_array,
    is_numpy_array,
    is_tensorflow_array,
    is_tensorflow_gpu_array,
    is_torch_array,
    is_torch_cuda_array,
    is_torch_gpu_array,
    is_torch_mps_array,
    is_xp_array,
    jax2xp,
    mxnet2xp,
    tensorflow2xp,
    to_numpy,
    torch2xp,
    xp2jax,
    xp2mxnet,
    xp2tensorflow,
    xp2torch,
)
from ._late_seeds import seed_now_or_on_import
from ._validation import DATA_VALIDATION, DataValidationError, data_validation, validate_fwd_input_output
from .types import ArgsKwargs, ArrayXd, FloatsXd, IntsXd, Padded, Ragged

# fmt: off
__all__ = [
    # Devices and seeds
    "fix_random_seed", "gpu_is_available", "prefer_gpu", "require_cpu", "require_gpu", "set_active_gpu",
    "use_nvtx_range",
    # Arrays
    "ArrayInfo", "copy_array", "get_array_module", "get_width", "to_categorical", "to_numpy",
    # Frameworks
    "assert_mxnet_installed", "assert_pytorch_installed", "assert_tensorflow_installed", "get_torch_default_device",
    "is_cupy_array", "is_mxnet_array", "is_mxnet_gpu_array", "is_numpy_array", "is_tensorflow_array",
    "is_tensorflow_gpu_array", "is_torch_array", "is_torch_cuda_array", "is_torch_gpu_array", "is_torch_mps_array",
    "is_xp_array", "jax2xp", "mxnet2xp", "tensorflow2xp", "torch2xp", "xp2jax", "xp2mxnet", "xp2tensorflow",
    "xp2torch",
    # Nested data, functions, files
    "convert_recursive", "iterate_recursive", "make_tempfile", "partial",
    # Validation
    "DATA_VALIDATION", "DataValidationError", "data_validation", "validate_fwd_input_output",
]
# fmt: on

PartialT = TypeVar("PartialT")

if not TYPE_CHECKING:

    def __getattr__(name):
        # Thinc's module holds these names of compat, so code may look for them here.
        if name.startswith("has_") or name in ("cupy", "cupy_from_dlpack", "torch"):
            return getattr(compat, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def fix_random_seed(seed: int = 0) -> None:
    """Seed random, numpy.random, torch and cupy; the last two, where they have not been imported yet, when they are.

    Dropout draws from numpy.random, so it is seeded too. ValueError for a seed outside 0 to 2³² - 1.
    """
    np.random.seed(seed)
    random.seed(seed)
    seed_now_or_on_import("torch", lambda: _seed_torch(seed))
    seed_now_or_on_import("cupy", lambda: _seed_cupy(seed))


def _seed_torch(seed: int) -> None:
    torch: Any = sys.modules["torch"]
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False


def _seed_cupy(seed: int) -> None:
    if compat.has_cupy_gpu:
        compat.cupy.random.seed(seed)


def gpu_is_available() -> bool:
    """Whether there is a GPU that models can run on."""
    return bool(compat.has_gpu)


def set_active_gpu(gpu_id: int) -> Any:
    """Make a CUDA device, by its number, the current one of cupy and torch. Returns the `cupy.cuda.Device`.

    ValueError if there is no CUDA device.
    """
    if not compat.has_cupy_gpu:
        raise ValueError("No CUDA GPU devices detected")
    device = compat.cupy.cuda.device.Device(gpu_id)
    device.use()
    if "torch" in sys.modules and compat.has_torch_cuda_gpu:
        compat.torch.cuda.set_device(gpu_id)
    return device


def require_cpu() -> bool:
    """Run models on the CPU from now on. Returns True."""
    from .backends import get_ops, set_current_ops

    set_current_ops(get_ops("cpu"))
    return True


def prefer_gpu(gpu_id: int = 0) -> bool:
    """Run models on this GPU from now on, if there is one. Returns whether there is."""
    return gpu_is_available() and require_gpu(gpu_id)


def require_gpu(gpu_id: int = 0) -> bool:
    """Run models on this GPU from now on. Returns True; ValueError, which says what is missing, if that cannot be."""
    if not compat.has_cupy and not compat.has_torch_mps:
        raise ValueError("Cannot use GPU, CuPy is not installed: pip install 'thinc_nb[cuda13x]', or cuda12x")
    if not compat.has_gpu:
        raise ValueError("Cannot use GPU, no GPU devices detected")
    from .backends import CupyOps, MPSOps, set_current_ops

    if compat.has_cupy_gpu:
        set_active_gpu(gpu_id)
        set_current_ops(CupyOps())
    else:
        set_current_ops(MPSOps())
    return True


@contextmanager
def use_nvtx_range(message: str, id_color: int = -1) -> Iterator[None]:
    """Mark what runs inside the block as a range for NVIDIA's profilers; nothing where no CUDA device is in use."""
    if "cupy" in sys.modules and compat.has_cupy_gpu:
        nvtx = compat.cupy.cuda.nvtx
        push, pop = functools.partial(nvtx.RangePush, message, id_color), nvtx.RangePop
    elif "torch" in sys.modules and compat.has_torch_cuda_gpu:
        nvtx = compat.torch.cuda.nvtx
        push, pop = functools.partial(nvtx.range_push, message), nvtx.range_pop
    else:
        yield
        return
    push()
    try:
        yield
    finally:
        pop()


@dataclass
class ArrayInfo:
    """Shape and dtype of an output, to check the gradient that comes back for it."""

    shape: tuple[int, ...]
    dtype: Any

    @classmethod
    def from_array(cls, arr: ArrayXd) -> ArrayInfo:
        """Of this array."""
        return cls(shape=arr.shape, dtype=arr.dtype)

    def check_consistency(self, arr: ArrayXd) -> None:
        """Raise ValueError if the gradient `arr` has another shape or dtype."""
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch in backprop. Y: {self.shape}, dY: {arr.shape}")
        if arr.dtype != self.dtype:
            raise ValueError(f"Type mismatch in backprop. Y: {self.dtype}, dY: {arr.dtype}")


def copy_array(dst: ArrayXd, src: Any) -> None:
    """Copy the values of `src` into `dst`, to and from the GPU if need be. Shapes must allow it, as in assignment."""
    if is_cupy_array(dst):
        dst[...] = compat.cupy.asarray(src)
    elif isinstance(dst, np.ndarray):
        dst[...] = src.get() if is_cupy_array(src) else src
    else:
        raise TypeError(f"copy_array: dst must be a numpy or cupy array, got {type(dst).__name__}")


def to_categorical(Y: IntsXd, n_classes: int | None = None, *, label_smoothing: float = 0.0) -> FloatsXd:
    """One-hot rows for class numbers: integers of any shape (…) give float32 (…, n_classes).

    n_classes is the highest number + 1 if not given. With `label_smoothing` p the given class gets 1 - p, the others
    share p (Szegedy et al., 2016). ValueError if Y is no array, is empty without n_classes, n_classes is below 1, or p
    not below 1 - 1/n_classes, IndexError for classes beyond n_classes.
    """
    xp = get_array_module(Y)
    if Y.dtype.kind not in "iub":
        raise IndexError(f"to_categorical: class numbers must be integers, got {Y.dtype} {tuple(Y.shape)}")
    if n_classes is None:
        if Y.size == 0:
            raise ValueError("to_categorical: zero-size array; give n_classes")
        n_classes = int(Y.max()) + 1
    if label_smoothing < 0.0:
        raise ValueError("Label-smoothing parameter has to be greater than or equal to 0")
    if n_classes < 1:
        raise ValueError(f"to_categorical: n_classes should be at least 1, got {n_classes}")
    off = 0.0
    if label_smoothing > 0.0:
        if n_classes <= 1:
            raise ValueError(
                f"n_classes should be greater than 1 when label smoothing is enabled, but {n_classes} was provided."
            )
        limit = (n_classes - 1) / n_classes
        if label_smoothing >= limit:
            raise ValueError(
                f"For {n_classes} classes label_smoothing parameter has to be less than {limit}, "
                f"but found {label_smoothing}."
            )
        off = label_smoothing / (n_classes - 1)
    if Y.size and not (-n_classes <= int(Y.min()) and int(Y.max()) < n_classes):
        wrong = int(Y.max()) if int(Y.max()) >= n_classes else int(Y.min())
        raise IndexError(f"to_categorical: there is no class {wrong} among {n_classes}, which are numbered from 0")
    # Thinc takes rows of an identity matrix, whose size is the square of the number of classes.
    rows: FloatsXd = xp.full((Y.size, n_classes), off, dtype="float32")
    rows[xp.arange(Y.size), Y.reshape(-1)] = 1 - label_smoothing
    return rows.reshape((*Y.shape, n_classes))


def get_width(X: Any, *, dim: int = -1) -> int:
    """The width of a batch: the size of `dim` of an array, of a Ragged's or Padded's data, of the first of a sequence.

    One-dimensional arrays are class numbers: their width is the highest + 1. 0 for an empty sequence. What has shape
    and ndim counts as an array, such as torch's. ValueError for other objects, numbers of NumPy among them, IndexError
    if there is no such dimension.
    """
    if isinstance(X, (Ragged, Padded)):
        return get_width(X.data, dim=dim)
    if is_xp_array(X) or (hasattr(X, "shape") and hasattr(X, "ndim") and not isinstance(X, np.generic)):
        if X.ndim == 0:
            return 0
        if X.ndim == 1:
            if len(X) == 0:
                raise ValueError("get_width: a zero-size array of class numbers has no highest number")
            return int(X.max()) + 1
        if not -X.ndim <= dim < X.ndim:
            raise IndexError(f"get_width: dim {dim} is out of range for an array of shape {X.shape}")
        width: int = X.shape[dim]
        return width
    if isinstance(X, (list, tuple)):
        return get_width(X[0], dim=dim) if X else 0
    raise ValueError(f"Cannot get width of object: has neither shape nor __getitem__, it is {kind_of(X)}")


def convert_recursive(is_match: Callable[[Any], bool], convert_item: Callable[[Any], Any], obj: Any) -> Any:
    """Copy nested data (lists, tuples, dicts, ArgsKwargs) with the items that match converted. Keys are items too."""
    recur = functools.partial(convert_recursive, is_match, convert_item)
    if is_match(obj):
        return convert_item(obj)
    if isinstance(obj, ArgsKwargs):
        return ArgsKwargs.from_items(list(recur(list(obj.items()))))
    if isinstance(obj, dict):
        return dict(recur(list(obj.items())))
    if isinstance(obj, list):
        return [recur(item) for item in obj]
    if isinstance(obj, tuple):
        items = [recur(item) for item in obj]
        return type(obj)(*items) if hasattr(obj, "_fields") else tuple(items)
    return obj


def iterate_recursive(is_match: Callable[[Any], bool], obj: Any) -> Iterator[Any]:
    """The items of nested data (lists, tuples, dicts, ArgsKwargs) that match, depth first. Keys are items too."""
    if is_match(obj):
        yield obj
    elif isinstance(obj, (ArgsKwargs, dict)):
        yield from iterate_recursive(is_match, list(obj.items()))
    elif isinstance(obj, (list, tuple)):
        for item in obj:
            yield from iterate_recursive(is_match, item)


def partial(func: Callable[..., PartialT], *args: Any, **kwargs: Any) -> Callable[..., PartialT]:
    """`functools.partial` that keeps the docstring."""
    made = functools.partial(func, *args, **kwargs)
    made.__doc__ = func.__doc__
    return made


@contextmanager
def make_tempfile(mode: str = "r") -> Iterator[IO[Any]]:
    """A temporary file, opened in this mode, which is closed and removed at the end of the block.

    Unlike those of `tempfile`, on Windows it can be opened a second time inside the block.
    """
    handle, path = tempfile.mkstemp()
    os.close(handle)
    try:
        with Path(path).open(mode) as file:
            yield file
    finally:
        Path(path).unlink(missing_ok=True)
