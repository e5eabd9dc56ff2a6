"""Weights for other programs: the safetensors format, through the package of that name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ._saving.files import replacing
from ._saving.loading import Entry, Plan, apply_plans
from ._saving.msgpack_stream import FileSource, StoredArray, little_endian
from ._saving.paths import node_paths, parameter_paths, shim_paths
from ._saving.shapes import check_shapes, shape_rules
from .checkpoints import LoadReport
from .errors import SerializationError

if TYPE_CHECKING:
    from .model import Model
    from .types import ArrayXd

__all__ = ["export_safetensors", "import_safetensors"]

# The dtypes of the format that NumPy has.
_DTYPES = {
    "BOOL": "?", "U8": "u1", "U16": "u2", "U32": "u4", "U64": "u8", "I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8",
    "F16": "f2", "F32": "f4", "F64": "f8",
}  # fmt: skip
_AT_ONCE = 1 << 22


def export_safetensors(model: Model[Any, Any], path: Path | str, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write the parameters to a safetensors file, entirely or not at all.

    The names are paths in the tree: ``layers.0.layers.1.W``; a layer that occurs twice is written once. Parameters that
    are not set are left out, and so is what shims hold, with a warning. `metadata` goes into the file's header.
    ImportError without the package, TypeError for a dtype that the format does not have, OSError if writing fails.
    """
    save_file = _safetensors("numpy").save_file
    tensors = {}
    for name, (node, key) in parameter_paths(model).items():
        value = node.maybe_get_param(key)
        if value is None:
            continue
        array = np.ascontiguousarray(little_endian(value)).reshape(value.shape)
        if array.dtype.newbyteorder("=") not in map(np.dtype, _DTYPES.values()):
            raise TypeError(
                f"export_safetensors: parameter {name!r} has the dtype {array.dtype}, which cannot be written"
            )
        tensors[name] = array
    if shims := list(shim_paths(model)):
        warnings.warn(f"export_safetensors: what shims hold is not written: {', '.join(shims)}", stacklevel=2)
    with replacing(Path(path)) as temporary:
        try:
            save_file(tensors, temporary, metadata={"format": "np", **(metadata or {})})
        except _safetensors().SafetensorError as error:  # its name for what the system says
            raise OSError(f"cannot write {path}: {error}") from error


def import_safetensors(model: Model[Any, Any], path: Path | str, *, partial: bool = False) -> LoadReport:
    """Load parameters from a safetensors file, by the names that `export_safetensors` gives them.

    Dimensions that are not set yet are taken from the shapes, in layers of this package. Returns what was loaded;
    with `partial` that is what fits, and the rest is reported. Otherwise SerializationError (a ValueError), and no
    change, if a parameter is missing, not known here, or of another shape; also if the file is damaged. ImportError
    without the package, OSError if the file cannot be read.
    """
    package = _safetensors()
    with Path(path).open("rb") as own:  # the errors that one expects of files
        try:
            with package.safe_open(path, framework="numpy") as file:
                return _load(model, file, FileSource(own), partial=partial)
        except package.SafetensorError as error:
            raise SerializationError(f"the file {str(path)!r} is no safetensors file, or damaged: {error}") from error


def _safetensors(module: str = "") -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("safetensors is not installed: pip install 'thinc_nb[safetensors]'") from error
    return safetensors.numpy if module == "numpy" else safetensors


class _Tensor(StoredArray):
    """A tensor in a safetensors file."""

    __slots__ = ("_file", "_name", "_source")

    def __init__(self, file: Any, name: str, source: FileSource) -> None:
        entry = file.get_slice(name)
        if entry.get_dtype() not in _DTYPES:
            raise SerializationError(f"cannot load {name!r}: NumPy has no dtype {entry.get_dtype()}")
        self.shape = tuple(entry.get_shape())
        self.dtype = np.dtype(_DTYPES[entry.get_dtype()])
        self._file = file
        self._name = name
        self._source = source

    def read(self) -> ArrayXd:
        array: ArrayXd = self._file.get_tensor(self._name)
        return array

    def check(self) -> None:
        for _ in self._pieces():
            pass

    def check_unchanged(self) -> None:
        self._source.check_unchanged()

    def copy_to(self, out: ArrayXd) -> None:
        if not self.shape:
            out[...] = self.read()
        for rows, piece in self._pieces():
            out[rows] = piece
        self.check_unchanged()

    def _pieces(self) -> Iterator[tuple[slice, ArrayXd]]:
        """The tensor in rows of some megabytes: the package copies what it reads."""
        stored = self._file.get_slice(self._name)
        rows = self.shape[0] if self.shape else 0
        step = max(1, _AT_ONCE * rows // max(1, self.dtype.itemsize * math.prod(self.shape)))
        for start in range(0, rows, step):
            found = slice(start, min(start + step, rows))
            yield found, stored[found]


def _load(model: Model[Any, Any], file: Any, source: FileSource, *, partial: bool) -> LoadReport:
    names = list(file.keys())
    here = parameter_paths(model)
    mismatched: dict[str, str] = {}
    unexpected = [name for name in names if name not in here]
    missing = [name for name in here if name not in names]
    if not partial and (unexpected or missing):
        raise SerializationError(
            f"the file does not have the parameters of {model.name!r}: missing {_some(missing)}; "
            f"not known here {_some(unexpected)}"
        )
    plans = []
    for path, node in node_paths(model).items():
        plan = Plan(node, node.name, dims={}, refs={}, attrs={}, params={}, shims=[])
        entry = Entry.without_data(model, node)
        for name in node.param_names:
            if path + name in names:
                try:
                    _plan_param(entry, plan, name, _Tensor(file, path + name, source))
                except SerializationError as error:
                    if not partial:
                        raise
                    mismatched[path + name] = str(error)
        plans.append(plan)
    apply_plans(model, plans)
    loaded = tuple(name for name in here if name in names and name not in mismatched)
    return LoadReport(loaded, tuple(missing), tuple(unexpected), MappingProxyType(mismatched))


def _plan_param(entry: Entry, plan: Plan, name: str, tensor: _Tensor) -> None:
    node = plan.node
    params = {**plan.params, name: entry.param(name, tensor)}
    entry.check_shapes(Plan(node, node.name, plan.dims, refs={}, attrs={}, params=params, shims=[]))
    plan.params[name] = tensor
    shapes = {key: tuple(array.shape) for key, array in params.items() if array is not None}
    told = check_shapes(shape_rules(node), {**node._dims, **plan.dims}, shapes)
    plan.dims.update({dim: size for dim, size in told.items() if node.maybe_get_dim(dim) is None})


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}" if names else "nothing"
