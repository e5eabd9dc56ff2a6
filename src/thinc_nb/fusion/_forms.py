"""The fused forms. Plans ask for them when a model first runs: they know the layers, and layers know plans."""

from __future__ import annotations

from .._model.plan import Form
from . import attention, dense, hash_embeds, maxout_norm, sequences

FORMS: tuple[Form, ...] = (maxout_norm.match, hash_embeds.match, sequences.match, attention.match, dense.match)
"""Those that cover more first."""
