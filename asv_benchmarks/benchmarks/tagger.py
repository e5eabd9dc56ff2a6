"""A whole model: a CNN tagger, the kind of model that spaCy's small pipelines have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._common import LIBRARIES, PIECES, WIDTH, WINDOW, api, documents

TAGS, DEPTH, TABLE_ROWS, SENTENCES = 50, 4, 5000, 100


def tagger(api: Any) -> Any:
    """Hashed word embeddings, four residual convolutions, a softmax."""
    maxout = api.Maxout(WIDTH, WIDTH * (2 * WINDOW + 1), nP=PIECES, normalize=True, dropout=0.1)
    convolution = api.residual(api.chain(api.expand_window(WINDOW), maxout))
    return api.chain(
        api.with_array(api.HashEmbed(WIDTH, TABLE_ROWS, seed=7)),
        api.with_array(api.clone(convolution, DEPTH), pad=DEPTH),
        api.with_array(api.Softmax(TAGS, WIDTH)),
    )


class Tagger:
    """100 sentences of 25 words, as one batch."""

    params = (LIBRARIES,)
    param_names = ("library",)

    def setup(self, library: str) -> None:
        """Build the tagger and train one batch: the first step may compile."""
        module = api(library)
        module.fix_random_seed(0)
        module.set_current_ops(module.NumpyOps())
        self.X = documents(SENTENCES)
        rng = np.random.default_rng(1)
        self.Y = [np.eye(TAGS, dtype=np.float32)[rng.integers(0, TAGS, len(x))] for x in self.X]
        self.model = tagger(module)
        self.model.initialize(X=self.X[:5], Y=self.Y[:5])
        self.optimizer = module.Adam(0.001)
        self.time_train(library)
        self.time_predict(library)

    def time_train(self, library: str) -> None:
        """One step: forward, backward, update."""
        Yh, backprop = self.model.begin_update(self.X)
        backprop([yh - y for yh, y in zip(Yh, self.Y, strict=True)])
        self.model.finish_update(self.optimizer)

    def time_predict(self, library: str) -> None:
        """Forward only."""
        self.model.predict(self.X)
