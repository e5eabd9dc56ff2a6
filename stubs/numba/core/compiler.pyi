"""What thinc_nb uses: the compiler's steps, and what a dispatcher hands to its cache, taken apart and put together."""

from typing import Any

class Compiler:
    state: Any
    def define_pipelines(self) -> list[Any]: ...
    def compile_extra(self, func: Any) -> Any: ...

class CompileResult:
    # Any: the parts are numba's own, passed on unread.
    def _reduce(self) -> tuple[Any, ...]: ...
    @classmethod
    def _rebuild(
        cls,
        target_context: Any,
        libdata: Any,
        fndesc: Any,
        env: Any,
        signature: Any,
        objectmode: Any,
        lifted: Any,
        typeann: Any,
        reload_init: Any,
        referenced_envs: Any,
    ) -> CompileResult: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
