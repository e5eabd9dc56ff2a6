"""The interface between a `Model` and a model of another framework."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import Self

from ..serialize import write_atomically

if TYPE_CHECKING:
    from ..optimizers import Optimizer
    from ..types import FloatsXd

__all__ = ["Shim"]


class Shim:
    """Holds a model of another framework, and knows how to run, update, move and store it.

    Subclasses implement `__call__`, `finish_update`, `to_device`, `to_bytes` and `from_bytes`, which raise
    NotImplementedError here. id: number of the shim. cfg: settings, stored with the model. loads_atomically: whether a
    `from_bytes` that fails changes nothing; if not, a model that loads keeps the old bytes to bring them back.
    """

    global_id: ClassVar[int] = 0
    global_id_lock: ClassVar[threading.Lock] = threading.Lock()

    loads_atomically: ClassVar[bool] = False

    id: int
    cfg: dict[str, Any]
    _model: Any
    _optimizer: Any

    def __init__(self, model: Any, config: Mapping[str, Any] | None = None, optimizer: Any = None) -> None:
        with Shim.global_id_lock:
            Shim.global_id += 1
            self.id = Shim.global_id
        self.cfg = dict(config) if config is not None else {}
        self._model = model
        self._optimizer = optimizer

    def __call__(self, inputs: Any, is_train: bool) -> tuple[Any, Callable[..., Any]]:
        """Run the model: its outputs, and the callback from the gradients of outputs to those of inputs."""
        raise self._missing("__call__")

    def predict(self, fwd_args: Any, /) -> Any:
        """Run the model and return only its outputs."""
        Y, _ = self(fwd_args, is_train=False)
        return Y

    def begin_update(self, fwd_args: Any, /) -> tuple[Any, Callable[..., Any]]:
        """Run the model in training: its outputs, and the callback."""
        return self(fwd_args, is_train=True)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters with the gradients."""
        raise self._missing("finish_update")

    def param_size(self) -> tuple[int, int]:
        """The number of values in all parameters, and their bytes. Here: nothing is known of any, (0, 0)."""
        return 0, 0

    @contextmanager
    def use_params(self, params: Mapping[tuple[int, str], FloatsXd]) -> Iterator[None]:
        """Use other parameters inside the block. Here: the same ones."""
        yield

    def copy(self) -> Self:
        """A copy with an id of its own, whose model is a deep copy; settings and optimizer are copied by reference."""
        twin = copy.copy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            twin.id = Shim.global_id
        twin.cfg = dict(self.cfg)
        twin._model = copy.deepcopy(self._model)
        return twin

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the model to ``"cpu"`` (with -1) or ``"gpu"`` (with the number of the device)."""
        raise self._missing("to_device")

    def to_gpu(self, gpu_id: int) -> None:
        """Move the model to a GPU, by its number."""
        self.to_device("gpu", gpu_id)

    def to_cpu(self) -> None:
        """Move the model to the CPU."""
        self.to_device("cpu", -1)

    def to_bytes(self) -> bytes:
        """The model and its settings as bytes."""
        raise self._missing("to_bytes")

    def from_bytes(self, bytes_data: bytes) -> Self:
        """Load what `to_bytes` gave; returns the shim itself."""
        raise self._missing("from_bytes")

    def training_state(self) -> Mapping[str, Any] | None:
        """What training depends on beside the model, as plain data: checkpoints hold it. None: nothing, as here."""
        return None

    def plan_training_state(self, state: Mapping[str, Any]) -> Callable[[], None]:
        """Check what `training_state` gave, and return the function that sets it. Here: it does nothing.

        SerializationError for data that do not fit.
        """
        return lambda: None

    def to_disk(self, path: Path | str) -> None:
        """Write `to_bytes` to a file: entirely, or not at all."""
        write_atomically(Path(path), self.to_bytes())

    def from_disk(self, path: Path | str) -> Self:
        """Load a file that `to_disk` wrote."""
        return self.from_bytes(Path(path).read_bytes())

    def _missing(self, name: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} does not implement {name}; a subclass of Shim has to")
