from collections.abc import Iterable, Mapping
from typing import Any, type_check_only

from typing_extensions import Self

from . import Tensor, _TensorMeta

@type_check_only
class _ParameterMeta(_TensorMeta): ...

class Parameter(Tensor, metaclass=_ParameterMeta):
    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Self: ...

class Module:
    training: bool
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...
    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any: ...
    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None: ...

class ModuleList(Module):
    def __init__(self, modules: Iterable[Module] | None = None) -> None: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
