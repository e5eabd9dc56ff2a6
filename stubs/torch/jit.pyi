from typing import type_check_only

from .nn import Module

@type_check_only
class _ScriptMeta(type): ...

class ScriptModule(Module, metaclass=_ScriptMeta):
    def __init__(self) -> None: ...
