"""Which optional libraries and devices there are, found out when somebody asks.

``compat.has_torch`` looks whether torch is installed, ``compat.torch`` imports it (None if it is not there), and what
needs the device, as ``compat.has_cupy_gpu``, asks the device. Answers are kept. Importing this module imports nothing.
TensorFlow and MXNet are off until `enable_tensorflow` or `enable_mxnet`.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from packaging.version import Version

    # Modules, or None; Any because none of them has to be there for the type checker.
    blis: Any
    cublas: Any
    cupy: Any
    cupy_from_dlpack: Any
    cupyx: Any
    h5py: Any
    mxnet: Any
    os_signpost: Any
    tensorflow: Any
    torch: Any
    cupy_version: Version
    torch_version: Version
    has_apple_ops: bool
    has_blis: bool
    has_cupy: bool
    has_cupy_gpu: bool
    has_gpu: bool
    has_mxnet: bool
    has_os_signpost: bool
    has_tensorflow: bool
    has_tensorflow_gpu: bool
    has_torch: bool
    has_torch_amp: bool
    has_torch_cuda_gpu: bool
    has_torch_gpu: bool
    has_torch_mps: bool
    has_torch_mps_gpu: bool


def _installed(name: str) -> bool:
    if sys.modules.get(name) is not None:
        return True
    return importlib.util.find_spec(name) is not None


def _imported(name: str) -> ModuleType | None:
    """The module, or None if it or something that it needs cannot be imported."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError):  # OSError: a shared library is missing
        return None


def _cupy_gpu() -> bool:
    cupy = _get("cupy")
    if cupy is None:
        return False
    try:
        cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        return False
    return True


def _from_dlpack() -> Any:
    cupy = _get("cupy")
    return None if cupy is None else getattr(cupy, "from_dlpack", None) or cupy.fromDlpack


def _version(name: str) -> Any:
    from packaging.version import Version

    module = _get(name)
    return Version("0.0.0" if module is None else module.__version__)


def _torch(ask: Callable[[Any], bool]) -> bool:
    torch = _get("torch")
    return torch is not None and ask(torch)


def _is_apple() -> bool:
    return platform.system() == "Darwin"


_LAZY: dict[str, Callable[[], Any]] = {
    "blis": lambda: _imported("blis"),
    "cublas": lambda: _imported("cupy.cublas") if _get("has_cupy") else None,
    "cupy": lambda: _imported("cupy") if _installed("cupy") else None,
    "cupyx": lambda: _imported("cupyx") if _get("cupy") is not None else None,
    "h5py": lambda: None,
    "mxnet": lambda: None,
    "os_signpost": lambda: _imported("os_signpost") if _is_apple() else None,
    "tensorflow": lambda: None,
    "torch": lambda: _imported("torch") if _installed("torch") else None,
    "cupy_from_dlpack": _from_dlpack,
    "cupy_version": lambda: _version("cupy"),
    "torch_version": lambda: _version("torch"),
    "has_apple_ops": lambda: _is_apple() and _installed("thinc_apple_ops"),
    "has_blis": lambda: _installed("blis"),
    # CuPy is often installed without its CUDA libraries, so only an import tells.
    "has_cupy": lambda: _get("cupy") is not None,
    "has_cupy_gpu": _cupy_gpu,
    "has_gpu": lambda: _get("has_cupy_gpu") or _get("has_torch_mps_gpu"),
    "has_mxnet": lambda: False,
    "has_os_signpost": lambda: _get("os_signpost") is not None,
    "has_tensorflow": lambda: False,
    "has_tensorflow_gpu": lambda: False,
    "has_torch": lambda: _installed("torch"),
    "has_torch_amp": lambda: _torch(lambda torch: torch.cuda.is_available()),
    "has_torch_cuda_gpu": lambda: _torch(lambda torch: torch.cuda.is_available() and torch.cuda.device_count() != 0),
    "has_torch_gpu": lambda: _get("has_torch_cuda_gpu") or _get("has_torch_mps_gpu"),
    "has_torch_mps": lambda: _is_apple() and _torch(lambda torch: torch.backends.mps.is_built()),
    "has_torch_mps_gpu": lambda: _is_apple() and _torch(lambda torch: torch.backends.mps.is_available()),
}


def _get(name: str) -> Any:
    """The value of a lazy name; found out once, then an ordinary global."""
    values = globals()
    if name not in values:
        values[name] = _LAZY[name]()
    return values[name]


if not TYPE_CHECKING:

    def __getattr__(name):
        if name in _LAZY:
            return _get(name)
        if name == "Version":
            from packaging.version import Version

            return Version
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, "Version"})


def enable_tensorflow() -> None:
    """Import TensorFlow and use it from now on. Raises ImportError if it is not installed."""
    warnings.warn(
        "TensorFlow support is deprecated; keep a copy of the wrapper in your project.", DeprecationWarning, 2
    )
    tensorflow = importlib.import_module("tensorflow")
    # Before the first use, or TensorFlow takes all memory of the GPU.
    gpus = tensorflow.config.experimental.list_physical_devices("GPU")
    for gpu in gpus:
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    globals().update(tensorflow=tensorflow, has_tensorflow=True, has_tensorflow_gpu=bool(gpus), h5py=_imported("h5py"))


def enable_mxnet() -> None:
    """Import MXNet and use it from now on. Raises ImportError if it is not installed."""
    warnings.warn("MXNet support is deprecated; keep a copy of the wrapper in your project.", DeprecationWarning, 2)
    globals().update(mxnet=importlib.import_module("mxnet"), has_mxnet=True)
