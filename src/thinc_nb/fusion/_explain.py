"""A report on which layers of a model run fused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._model.plan import Plan, is_on
from ..kernels import KERNELS

if TYPE_CHECKING:
    from .._model.plan import Node


def explain(model: Node) -> str:
    """The tree as it last ran, a line for each node: which form it is part of, and which kernels that uses.

    `fused`: ran as one. `declined`: the form did not take the input, the parameters or the settings. Kernels that this
    process has not compiled or loaded yet have a question mark. A node that has not run yet, or ran with fusion off,
    shows no form.
    """
    forms = _forms_of(model)
    lines = [f"fusion is {'on' if is_on() else 'off'}"]
    stack = [(model, 0)]
    while stack:
        node, depth = stack.pop()
        form = forms.get(id(node), "")
        lines.append(f"{'  ' * depth}{node.name}{form and f'  [{form}]'}")
        stack.extend((layer, depth + 1) for layer in reversed(node.layers))
    return "\n".join(lines)


def _forms_of(model: Node) -> dict[int, str]:
    forms: dict[int, str] = {}
    for node in model.walk():
        plan: Plan | None = node._plan
        if plan is None or not plan.holds(node):
            continue
        for place, (step, covered) in enumerate(plan.steps):
            if step is None or not (place in plan.ran or place in plan.declined):
                continue
            outcome = "fused" if place in plan.ran else "declined"
            names = ", ".join(name if _is_ready(name) else f"{name}?" for name in step.kernels)
            for part in (*step.nodes, *(covered or [node])):
                forms.setdefault(
                    id(part), f"{step.form}: {outcome}{(names and outcome == 'fused' and f'; {names}') or ''}"
                )
    return forms


def _is_ready(name: str) -> bool:
    kernel = KERNELS.get(name)
    return kernel is not None and kernel.is_compiled
