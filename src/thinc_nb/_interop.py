"""Arrays of other frameworks: telling them apart and converting them. No framework is imported before it is needed."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from . import compat
from ._arrays import get_array_module, is_cupy_array, is_xp_array
from .types import ArrayXd

if TYPE_CHECKING:
    from .backends import Ops


MXNET_IS_RETIRED = (
    "MXNet is retired: its project ended in 2023, and its last release runs on none of the Pythons and NumPys that "
    "thinc_nb does. Move the model to PyTorch, PyTorchWrapper(module), or keep it in Thinc"
)


def _is_instance(obj: object, module: str, name: str) -> bool:
    """Whether `obj` is a `module.name`. It cannot be, if nobody has imported the module."""
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(obj, cls)


def is_numpy_array(obj: Any) -> bool:
    """Whether `obj` is a numpy array."""
    return isinstance(obj, np.ndarray)


def is_torch_array(obj: Any) -> bool:
    """Whether `obj` is a torch tensor."""
    return _is_instance(obj, "torch", "Tensor")


def is_torch_cuda_array(obj: Any) -> bool:
    """Whether `obj` is a torch tensor on a CUDA device."""
    return is_torch_array(obj) and bool(obj.is_cuda)


def is_torch_mps_array(obj: Any) -> bool:
    """Whether `obj` is a torch tensor on an Apple GPU."""
    return is_torch_array(obj) and bool(getattr(obj, "is_mps", False))


def is_torch_gpu_array(obj: Any) -> bool:
    """Whether `obj` is a torch tensor on a GPU."""
    return is_torch_cuda_array(obj) or is_torch_mps_array(obj)


def is_tensorflow_array(obj: Any) -> bool:
    """Whether `obj` is a TensorFlow tensor. TensorFlow has to be enabled."""
    return compat.has_tensorflow and isinstance(obj, compat.tensorflow.Tensor)


def is_tensorflow_gpu_array(obj: Any) -> bool:
    """Whether `obj` is a TensorFlow tensor on a GPU."""
    return is_tensorflow_array(obj) and "GPU:" in obj.device


def is_mxnet_array(obj: Any) -> bool:
    """Whether `obj` is an MXNet array. MXNet has to be enabled."""
    return compat.has_mxnet and isinstance(obj, compat.mxnet.nd.NDArray)


def is_mxnet_gpu_array(obj: Any) -> bool:
    """Whether `obj` is an MXNet array on a GPU."""
    return is_mxnet_array(obj) and obj.context.device_type != "cpu"


def to_numpy(data: Any) -> Any:
    """`data` as a numpy array.

    A numpy array is returned itself, cupy arrays and torch tensors are copied from their device, and numbers and lists
    go through `numpy.array`.
    """
    if isinstance(data, np.ndarray):
        return data
    if is_cupy_array(data):
        return data.get()
    if is_torch_array(data):
        return data.detach().cpu().numpy()
    return np.array(data)


def assert_pytorch_installed() -> None:
    """Raise ImportError if torch cannot be imported."""
    if compat.torch is None:
        raise ImportError("PyTorch support requires torch: pip install 'thinc_nb[torch]'")


def assert_tensorflow_installed() -> None:
    """Raise ImportError if TensorFlow is not installed and enabled."""
    if not compat.has_tensorflow:
        raise ImportError(
            "TensorFlow support requires tensorflow, pip install 'thinc_nb[tensorflow]', and to be enabled: "
            "thinc_nb.api.enable_tensorflow()"
        )


def assert_mxnet_installed() -> None:
    """Raise ImportError if MXNet is not installed and enabled."""
    if not compat.has_mxnet:
        raise ImportError(MXNET_IS_RETIRED)


def get_torch_default_device() -> Any:
    """The `torch.device` that goes with the current ops. ValueError if torch is not installed."""
    if compat.torch is None:
        raise ValueError("Cannot get default Torch device when Torch is not available.")
    from .backends import get_current_ops

    ops = get_current_ops()
    if ops.device_type == "gpu":
        return compat.torch.device(f"cuda:{compat.cupy.cuda.Device().id}")
    if ops.name == "mps":
        return compat.torch.device("mps")
    return compat.torch.device("cpu")


def xp2torch(xp_tensor: Any, requires_grad: bool = False, device: Any = None) -> Any:
    """A numpy or cupy array as a torch tensor on `device` (default: the current ops' device), sharing memory if it can.

    Arrays that torch cannot share (negative strides, read-only, other byte order) are copied. TypeError if `xp_tensor`
    is no array or has a dtype that torch lacks.
    """
    assert_pytorch_installed()
    torch = compat.torch
    if isinstance(xp_tensor, np.ndarray):
        if not xp_tensor.dtype.isnative:
            xp_tensor = xp_tensor.astype(xp_tensor.dtype.newbyteorder("="))
        elif not xp_tensor.flags.writeable or min(xp_tensor.strides, default=0) < 0:
            xp_tensor = xp_tensor.copy()
        tensor = torch.from_numpy(xp_tensor)
    elif is_cupy_array(xp_tensor):
        tensor = torch.from_dlpack(xp_tensor)
    else:
        raise TypeError(f"xp2torch: expected a numpy or cupy array, got {type(xp_tensor).__name__}")
    tensor = tensor.to(get_torch_default_device() if device is None else device)
    if requires_grad:
        tensor.requires_grad_()
    return tensor


def torch2xp(torch_tensor: Any, *, ops: Ops | None = None) -> Any:
    """A torch tensor as an array of `ops` (default: by the tensor's device), sharing memory if it can.

    The array has no part in torch's gradients. TypeError if it is no tensor or has a dtype that arrays lack (bfloat16).
    """
    from .backends import NumpyOps

    assert_pytorch_installed()
    if not is_torch_array(torch_tensor):
        raise TypeError(f"torch2xp: expected a torch tensor, got {type(torch_tensor).__name__}")
    tensor = torch_tensor.detach()
    if is_torch_cuda_array(tensor) and not isinstance(ops, NumpyOps):
        return compat.cupy_from_dlpack(tensor)
    array = tensor.cpu().numpy()
    if ops is None or isinstance(ops, NumpyOps):
        return array
    return compat.cupy.asarray(array)


def xp2tensorflow(xp_tensor: ArrayXd, requires_grad: bool = False, as_variable: bool = False) -> Any:
    """A numpy or cupy array as a TensorFlow tensor, or variable."""
    assert_tensorflow_installed()
    tensorflow = compat.tensorflow
    if is_cupy_array(xp_tensor):
        tensor = tensorflow.experimental.dlpack.from_dlpack(xp_tensor.__dlpack__())
    else:
        tensor = tensorflow.convert_to_tensor(xp_tensor)
    if as_variable:
        # Variables do not move to the device of their value by themselves.
        with tensorflow.device(tensor.device):
            return tensorflow.Variable(tensor, trainable=requires_grad)
    if requires_grad is False:
        return tensorflow.stop_gradient(tensor)
    return tensor


def tensorflow2xp(tf_tensor: Any, *, ops: Ops | None = None) -> Any:
    """A TensorFlow tensor as an array of `ops` (default: by the tensor's device)."""
    assert_tensorflow_installed()
    from .backends import NumpyOps

    if is_tensorflow_gpu_array(tf_tensor) and not isinstance(ops, NumpyOps):
        return compat.cupy_from_dlpack(compat.tensorflow.experimental.dlpack.to_dlpack(tf_tensor))
    array = tf_tensor.numpy()
    if ops is None or isinstance(ops, NumpyOps):
        return array
    return compat.cupy.asarray(array)


def import_jax() -> Any:
    """The module jax. ImportError, which says what to install, without it."""
    try:
        return importlib.import_module("jax")
    except ImportError as error:
        raise ImportError("JAX support requires jax: pip install 'thinc_nb[jax]'") from error


def is_jax_array(obj: Any) -> bool:
    """Whether `obj` is an array of JAX."""
    return _is_instance(obj, "jax", "Array")


def xp2jax(xp_tensor: ArrayXd) -> Any:
    """A numpy or cupy array as an array of JAX, which may share its memory: do not change the one given.

    JAX narrows 64 bits to 32, unless jax_enable_x64 is set.
    """
    jax = import_jax()
    if is_cupy_array(xp_tensor):
        return jax.dlpack.from_dlpack(xp_tensor)
    return jax.numpy.asarray(xp_tensor, dtype=jax.dtypes.canonicalize_dtype(xp_tensor.dtype))


def jax2xp(jax_tensor: Any, *, ops: Ops | None = None) -> Any:
    """An array of JAX as an array of `ops` (default: by its device). On the CPU a copy: JAX's own are read-only."""
    import_jax()
    from .backends import NumpyOps

    if jax_tensor.devices() and next(iter(jax_tensor.devices())).platform == "gpu" and not isinstance(ops, NumpyOps):
        return compat.cupy_from_dlpack(jax_tensor)
    array = np.array(jax_tensor)
    if ops is None or isinstance(ops, NumpyOps):
        return array
    return compat.cupy.asarray(array)


def xp2mxnet(xp_tensor: ArrayXd, requires_grad: bool = False) -> Any:
    """A numpy or cupy array as an MXNet array."""
    assert_mxnet_installed()
    mxnet = compat.mxnet
    if is_cupy_array(xp_tensor):
        array = mxnet.nd.from_dlpack(xp_tensor.__dlpack__())
    else:
        array = mxnet.nd.from_numpy(xp_tensor)
    if requires_grad:
        array.attach_grad()
    return array


def mxnet2xp(mx_tensor: Any, *, ops: Ops | None = None) -> Any:
    """An MXNet array as an array of `ops` (default: by its device)."""
    assert_mxnet_installed()
    from .backends import NumpyOps

    if is_mxnet_gpu_array(mx_tensor) and not isinstance(ops, NumpyOps):
        return compat.cupy_from_dlpack(mx_tensor.to_dlpack_for_write())
    array = mx_tensor.detach().asnumpy()
    if ops is None or isinstance(ops, NumpyOps):
        return array
    return compat.cupy.asarray(array)


__all__ = [
    "assert_mxnet_installed",
    "assert_pytorch_installed",
    "assert_tensorflow_installed",
    "get_array_module",
    "get_torch_default_device",
    "import_jax",
    "is_cupy_array",
    "is_jax_array",
    "is_mxnet_array",
    "is_mxnet_gpu_array",
    "is_numpy_array",
    "is_tensorflow_array",
    "is_tensorflow_gpu_array",
    "is_torch_array",
    "is_torch_cuda_array",
    "is_torch_gpu_array",
    "is_torch_mps_array",
    "is_xp_array",
    "jax2xp",
    "mxnet2xp",
    "tensorflow2xp",
    "to_numpy",
    "torch2xp",
    "xp2jax",
    "xp2mxnet",
    "xp2tensorflow",
    "xp2torch",
]
