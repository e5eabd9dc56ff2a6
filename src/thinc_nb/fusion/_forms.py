"""The fused forms. Plans import them when a model first runs, since forms import layers, and layers import plans."""

from __future__ import annotations

from .._model.plan import Form
from . import attention, dense, hash_embeds, maxout_norm, sequences

FORMS: tuple[Form, ...] = (maxout_norm.match, hash_embeds.match, sequences.match, attention.match, dense.match)
"""In the order in which they are tried: those that cover more nodes first."""
