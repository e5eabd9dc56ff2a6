"""Plans: in which steps the layers of a node run, fused or one by one, and whether a plan still holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from .._environment import switch
from ..backends import NumpyOps
from .tree import callback_through

if TYPE_CHECKING:
    from ..model import Model

    Node: TypeAlias = Model[Any, Any]

Result: TypeAlias = tuple[Any, Callable[[Any], Any]]

_on = switch("THINC_NB_FUSION", default=True)
# By id: a forward function may be an object that has no hash.
_chains: dict[int, Callable[..., Any]] = {}


def is_on() -> bool:
    """Whether fused forms are used."""
    return _on


def set_on(on: bool) -> None:
    """Use fused forms, or do not."""
    global _on
    _on = bool(on)


class Step(Protocol):
    """Some adjacent nodes that match a form and run as one."""

    @property
    def form(self) -> str:
        """The name of the form."""
        ...

    @property
    def kernels(self) -> tuple[str, ...]:
        """The names of the compiled kernels that it uses."""
        ...

    @property
    def nodes(self) -> Sequence[Node]:
        """Nodes inside the matched ones, whose change invalidates the plan too."""
        ...

    @property
    def length(self) -> int:
        """How many of the nodes in a row it covers."""
        ...

    def run(self, X: Any, is_train: bool) -> Result | None:
        """Output and callback, as the nodes would give them. None, with nothing done, lets the nodes run one by one."""


Form: TypeAlias = "Callable[[Sequence[Node], int], Step | None]"
"""Returns a step for the nodes from a place on; None if they do not match."""


@cache
def forms() -> tuple[Form, ...]:
    """The fused forms, those that cover more first."""
    from ..fusion._forms import FORMS

    return FORMS


ForwardT = TypeVar("ForwardT", bound="Callable[..., Any]")


def runs_in_a_row(forward: ForwardT) -> ForwardT:
    """Mark a forward function that runs the layers of its node one after the other, so that a plan may look inside."""
    _chains[id(forward)] = forward
    return forward


class Plan:
    """The steps that a node's layers run in, and the functions, ops and lists of layers that this depends on."""

    __slots__ = ("_copies", "_lists", "_nodes", "_root", "declined", "is_whole", "ran", "steps")

    def __init__(self, root: Node, items: Sequence[Node], watched: Sequence[Node]) -> None:
        self.steps: list[tuple[Step | None, Sequence[Node]]] = []
        place = 0
        seen = list(watched)
        while place < len(items):
            step = next((step for form in forms() if (step := form(items, place)) is not None), None)
            covered = items[place : place + (1 if step is None else step.length)]
            if step is not None and not all(map(_is_plain, (*covered, *step.nodes))):
                step, covered = None, items[place : place + 1]
            # Without the root, which holds the plan: a cycle would keep models from being freed with their last
            # reference.
            self.steps.append((step, [node for node in covered if node is not root]))
            seen.extend(covered if step is None else (*covered, *step.nodes))
            place += len(covered)
        unique = {id(node): node for node in seen if node is not root}.values()
        self.is_whole = any(item is root for item in items)
        """True if the node itself was matched, False if its layers were."""
        self._root = root._func, root.ops, list(root._layers)
        self._nodes = tuple((node, node._func, node.ops) for node in unique)
        self._lists = [node._layers for node in unique if node._layers]
        self._copies = [list(layers) for layers in self._lists]
        self.ran: set[int] = set()
        self.declined: set[int] = set()

    def holds(self, root: Node) -> bool:
        """Whether functions, ops and lists of layers are still those that the plan was made for."""
        function, ops, layers = self._root
        if root._func is not function or root.ops is not ops or root._layers != layers:
            return False
        for node, function, ops in self._nodes:
            if node._func is not function or node.ops is not ops:
                return False
        return self._lists == self._copies

    def run(self, root: Node, X: Any, is_train: bool) -> Result:
        """Run the steps one after the other. root: the node whose plan it is."""
        callbacks: list[Callable[[Any], Any]] = []
        for place, (step, nodes) in enumerate(self.steps):
            result = None if step is None else step.run(X, is_train)
            if result is not None:
                self.ran.add(place)
                X = result[0]
                callbacks.append(result[1])
                continue
            if step is not None:
                self.declined.add(place)
            for node in nodes:
                # The same as node(X, is_train), which takes longer to find the method.
                X, callback = type(node).__call__(node, X, is_train)
                callbacks.append(callback)

        return X, callback_through(root, callbacks)

    def run_whole(self, X: Any, is_train: bool) -> Result | None:
        """Run the one step of a node that is matched by itself; None if the node is to run as usual."""
        step = self.steps[0][0]
        result = None if step is None else step.run(X, is_train)
        if step is not None:
            (self.declined if result is None else self.ran).add(0)
        return result


def chain_plan(model: Node) -> Plan | None:
    """The plan for a chain's layers, with chains inside it taken apart; None if the layers run one by one."""
    if not _on or _is_watched():
        return None
    plan = model._plan
    if plan is None or plan.is_whole or not plan.holds(model):
        watched: list[Node] = []
        items = [item for layer in model.layers for item in flattened(layer, watched)]
        plan = model._plan = Plan(model, items, watched)
    return plan


def run_as_one(model: Node, forward: Callable[..., Any], X: Any, is_train: bool) -> Result | None:
    """Run a node that is no chain by a form that matches it; None if there is none, or if it declines.

    forward: the function that calls this. If a node has another one, which calls this one, the form would take the
    place of the wrong function. A layer inside a chain that has declined to run it fused asks again, and is declined
    again: a microsecond.
    """
    if not _on or model._func is not forward or _is_watched():
        return None
    plan = model._plan
    if plan is None or not plan.is_whole or not plan.holds(model):
        plan = model._plan = Plan(model, [model], ())
    return plan.run_whole(X, is_train)


def flattened(node: Node, watched: list[Node]) -> list[Node]:
    """The nodes that run one after another in place of this one. Chains that are taken apart are added to `watched`."""
    if id(node._func) not in _chains or not _is_plain(node):
        return [node]
    watched.append(node)
    return [item for layer in node.layers for item in flattened(layer, watched)]


def _is_plain(node: Node) -> bool:
    """Whether a node may be run without calling it: its class calls forward as Model does, on numpy's arrays."""
    from ..model import Model

    return type(node).__call__ is Model.__call__ and type(node.ops) is NumpyOps


def _is_watched() -> bool:
    """Whether contracts are on in any thread: methods of Model are then replaced by some that look at each layer."""
    cls, plain_call = _model_class()
    return cls.__call__ is not plain_call


@cache
def _model_class() -> tuple[type[Node], Callable[..., Any]]:
    # Imported late: the module `model` imports this one.
    from ..model import PLAIN_CALL, Model

    return Model, PLAIN_CALL
