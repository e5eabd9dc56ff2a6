"""Whole models: a step of training, a prediction, and the prediction of a single example."""

from __future__ import annotations

from ._common import LIBRARIES, api
from ._models import NAMES, SINGLE, case


class Models:
    """A batch of each model. What is first compiled is compiled in the setup."""

    params = (LIBRARIES, list(NAMES))
    param_names = ("library", "model")

    def setup(self, library: str, model: str) -> None:
        """Build the model and train one batch."""
        module = api(library)
        self.case = case(model, module)
        self.optimizer = module.Adam(0.001)
        self.case.train(self.optimizer)
        self.case.predict()

    def time_train(self, library: str, model: str) -> None:
        """One step: forward, backward, update."""
        self.case.train(self.optimizer)

    def time_predict(self, library: str, model: str) -> None:
        """Forward only."""
        self.case.predict()


class Latency:
    """One example at a time: a sentence of 20 words, or one digit."""

    params = (LIBRARIES, list(SINGLE))
    param_names = ("library", "model")

    def setup(self, library: str, model: str) -> None:
        """Build the model and run it once."""
        self.case = case(model, api(library))
        self.case.predict()

    def time_predict(self, library: str, model: str) -> None:
        """Forward only."""
        self.case.predict()
