"""Running adjacent layers as one, where a fused form of them is known.

Trees, names and bytes are the same as without it. When a chain, a residual layer or a concatenation runs, its layers
are matched against the forms in `_forms`, and what matches runs as one; so does a dense layer by itself. The plan
(`_model.plan`) is kept until the tree, a forward function or the ops of a node change. Each form is one file: what it
matches, when it declines, what it computes. Results are those of the layers one by one within rounding, and dropout
draws the same elements.

A form never raises an error of its own. It declines what it does not expect, and the layers then run one by one, with
their own errors. Nothing runs fused while run-time contracts are on, since these look at what goes from layer to layer,
nor where a node belongs to a subclass that calls its forward function in its own way.
"""

from __future__ import annotations

from .._environment import require_switch
from .._model.plan import is_on, set_on
from ._explain import explain

__all__ = ["explain", "fusion"]


class fusion:  # noqa: N801  # a function that is also a context manager
    """Switch fusion on or off for the process: ``fusion(False)``, or for a block: ``with fusion(False): ...``.

    THINC_NB_FUSION=0 in the environment switches it off from the start.
    """

    def __init__(self, on: bool = True) -> None:
        require_switch("fusion is", on)
        self._before = is_on()
        set_on(on)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        set_on(self._before)
