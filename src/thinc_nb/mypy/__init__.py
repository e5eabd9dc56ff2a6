"""The mypy plugin: checks how layers are composed, their types and their widths.

In the configuration of mypy::

    [mypy]
    plugins = thinc_nb.mypy

Nothing here runs with a model, and nothing of the package is imported but words: the plugin reads the signatures as
mypy does. What mypy asks comes in at `hooks`; `treatments` says which functions are looked at; `calls` and `operators`
work out what a call gives by the `rules` of the combinators, and `widths`, `sizes` and `signatures` how wide that is;
`facts` is what the file itself says, and `values` what its names stand for; `layers` and `messages` read an argument
and name it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy.plugin import Plugin

__all__ = ["plugin"]


def plugin(version: str) -> type[Plugin]:
    """What mypy calls to load the plugin."""
    from .hooks import ThincNbPlugin

    return ThincNbPlugin
