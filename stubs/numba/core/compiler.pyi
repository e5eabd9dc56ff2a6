"""Only what thinc_nb uses: what a dispatcher hands to its cache, taken apart and put together again."""

from typing import Any

class CompileResult:
    # Any: the parts are numba's own, passed on unread.
    def _reduce(self) -> tuple[Any, ...]: ...
    @classmethod
    def _rebuild(cls, target_context: Any, *parts: Any) -> CompileResult: ...
