"""`ParamServer`: parameters and gradients by the id of their node and their name, at hand or behind a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..types import FloatsXd

KeyT = tuple[int, str]


class Proxy(Protocol):
    """Where parameters are kept instead, in another process for example."""

    def get_param(self, model_id: int, name: str) -> FloatsXd: ...
    def set_param(self, model_id: int, name: str, value: FloatsXd) -> Any: ...
    def set_grad(self, model_id: int, name: str, value: FloatsXd) -> Any: ...
    def inc_grad(self, model_id: int, name: str, value: FloatsXd) -> Any: ...


class ParamServer:
    """Parameters and gradients of nodes.

    What is set goes to the proxy too, if there is one; parameters are fetched from it, and gradients are its alone.
    KeyError for what is not there. Models keep their parameters themselves: this is for programs that use it by name.
    """

    def __init__(
        self, params: Mapping[KeyT, FloatsXd] = {}, grads: Mapping[KeyT, FloatsXd] = {}, *, proxy: Proxy | None = None
    ) -> None:
        self._params = dict(params)
        self._grads = dict(grads)
        self.proxy = proxy

    @property
    def param_keys(self) -> tuple[KeyT, ...]:
        """The keys of parameters."""
        return tuple(self._params)

    @property
    def grad_keys(self) -> tuple[KeyT, ...]:
        """The keys of gradients whose parameters are here."""
        return tuple(key for key in self._params if key in self._grads)

    def has_param(self, model_id: int, name: str) -> bool:
        return (model_id, name) in self._params

    def get_param(self, model_id: int, name: str) -> FloatsXd:
        if self.proxy is not None:
            self._params[model_id, name] = self.proxy.get_param(model_id, name)
        return self._params[model_id, name]

    def set_param(self, model_id: int, name: str, value: FloatsXd) -> None:
        if self.proxy is not None:
            self.proxy.set_param(model_id, name, value)
        self._params[model_id, name] = value

    def has_grad(self, model_id: int, name: str) -> bool:
        return (model_id, name) in self._grads

    def get_grad(self, model_id: int, name: str) -> FloatsXd:
        return self._grads[model_id, name]

    def set_grad(self, model_id: int, name: str, value: FloatsXd) -> None:
        if self.proxy is not None:
            self.proxy.set_grad(model_id, name, value)
        else:
            self._grads[model_id, name] = value

    def inc_grad(self, model_id: int, name: str, value: FloatsXd) -> None:
        """Add to a gradient; the first value is copied."""
        if self.proxy is not None:
            self.proxy.inc_grad(model_id, name, value)
        elif (model_id, name) in self._grads:
            self._grads[model_id, name] += value
        else:
            self._grads[model_id, name] = value.copy()
