"""The states of random generators as plain data. What comes from a file is tried on spare generators first."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import compat
from .._described import explain
from ..errors import SerializationError

__all__ = ["random_state", "restore_random_state"]

Restore = Callable[[], object]
_MOST_CUPY_SEEDS = 2**31 - 1


def random_state(generators: Mapping[str, np.random.Generator], *, uses_cupy: bool = False) -> dict[str, Any]:
    """The states of `random`, `numpy.random`, torch if it has been imported, and of NumPy generators by name.

    CuPy does not tell the state of its generator. With `uses_cupy` the generator is seeded anew, with a number that it
    draws itself, and this seed stands for the state: so the program that goes on and the one that loads draw the same
    numbers.
    """
    state: dict[str, Any] = {
        "python": json.dumps(random.getstate()),
        "numpy": _as_json(np.random.get_state(legacy=False)),
        "generators": {name: _as_json(generator.bit_generator.state) for name, generator in generators.items()},
    }
    if "torch" in sys.modules and compat.has_torch:
        torch = compat.torch
        state["torch"] = torch.get_rng_state().numpy().tobytes()
        if torch.cuda.is_initialized():
            state["torch.cuda"] = [one.numpy().tobytes() for one in torch.cuda.get_rng_state_all()]
    if uses_cupy:
        seed = int(compat.cupy.random.randint(0, _MOST_CUPY_SEEDS))
        compat.cupy.random.seed(seed)
        state["cupy"] = seed
    return state


def restore_random_state(found: object, generators: Mapping[str, np.random.Generator]) -> Restore:
    """Check the states; returns the function that sets them, which does not fail. SerializationError if they are bad.

    Every generator given must be in the data. torch is imported if there is a state for it, and it is installed; so is
    CuPy.
    """
    if not isinstance(found, dict):
        raise SerializationError("cannot load the random state: it should be a dict")
    named = found.get("generators")
    if not isinstance(named, dict):
        raise SerializationError("cannot load the random state: there are no 'generators'")
    missing = sorted(set(generators) - set(named))
    if missing:
        raise SerializationError(f"cannot load the random state: there is no generator {', '.join(map(repr, missing))}")
    try:
        steps = [_python(found.get("python")), _numpy(found.get("numpy"))]
        steps += [_generator(generator, named[name]) for name, generator in generators.items()]
        if "torch" in found and compat.has_torch:
            steps += _torch(found["torch"], found.get("torch.cuda"))
        if "cupy" in found:
            steps += _cupy(found["cupy"])
    except Exception as error:  # the setters of generators raise anything
        raise SerializationError(f"cannot load the random state: {explain(error)}") from error
    return lambda: [step() for step in steps]


def _as_json(state: object) -> str:
    """JSON knows integers of any size; arrays become lists."""
    return json.dumps(state, default=lambda array: array.tolist())


def _from_json(found: object) -> Any:
    if not isinstance(found, str):
        raise TypeError(f"a state should be a str, not {type(found).__name__}")
    return json.loads(found)


def _python(found: object) -> Restore:
    version, internal, gauss = _from_json(found)
    state = version, tuple(internal), gauss
    random.Random().setstate(state)  # noqa: S311 (nothing is drawn)
    return lambda: random.setstate(state)


def _numpy(found: object) -> Restore:
    state = _from_json(found)
    _check_places(state)
    kind = getattr(np.random, np.random.get_state(legacy=False)["bit_generator"])
    np.random.RandomState(kind()).set_state(state)
    return lambda: np.random.set_state(state)


def _generator(generator: np.random.Generator, found: object) -> Restore:
    state = _from_json(found)
    _check_places(state)
    type(generator.bit_generator)().state = state

    def restore() -> None:
        generator.bit_generator.state = state

    return restore


def _check_places(state: dict[str, Any]) -> None:
    """Check the places in buffers: NumPy believes them, and would read beyond the end."""
    places = ((state["state"].get("pos", 0), 624), (state.get("buffer_pos", 0), 4))
    for place, end in places:
        if type(place) is not int or not 0 <= place <= end:
            raise ValueError(f"the place in a buffer of {end} is {place!r:.80}")


def _torch(found: object, found_cuda: object) -> list[Restore]:
    torch = compat.torch

    def tensor(data: object) -> Any:
        if not isinstance(data, bytes):
            raise TypeError(f"the state of torch should be bytes, not {type(data).__name__}")
        return torch.frombuffer(bytearray(data), dtype=torch.uint8)

    state = tensor(found)
    torch.Generator().set_state(state)
    steps: list[Restore] = [lambda: torch.set_rng_state(state)]
    if isinstance(found_cuda, list) and torch.cuda.is_available() and len(found_cuda) == torch.cuda.device_count():
        states = [tensor(one) for one in found_cuda]
        for i, one in enumerate(states):
            torch.Generator(f"cuda:{i}").set_state(one)
        steps.append(lambda: torch.cuda.set_rng_state_all(states))
    return steps


def _cupy(seed: object) -> list[Restore]:
    if type(seed) is not int or not 0 <= seed < _MOST_CUPY_SEEDS:
        raise ValueError(f"the seed of CuPy is {seed!r:.80}")
    if not compat.has_cupy_gpu:
        return []
    return [lambda: compat.cupy.random.seed(seed)]
