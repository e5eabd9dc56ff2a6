"""`thinc-nb train`: train the model that a config file describes."""

from __future__ import annotations

import argparse
import configparser
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ._errors import FAILED, INTERRUPTED, OK, CommandError, reading, require_writable
from ._interrupt import StopRequest
from ._parser import OneLineParser

if TYPE_CHECKING:
    from ..api import Config, Model, Optimizer, Schedule

__all__ = ["add_arguments", "run"]

MODEL_FILE = "model.bin"
CONFIG_FILE = "config.cfg"
_SECTIONS = ("dataset", "model", "optimizer", "loss", "training")
_ROW = "{:>5}  {:>10}  {:>8}  {:>8}"
_PREDICTED_AT_ONCE = 256
_EXAMPLES_TO_INITIALIZE = 64


def add_arguments(parser: OneLineParser) -> None:
    """Declare the options of the command."""
    add = parser.add_argument
    add("config", metavar="CONFIG", type=Path, help="a config file with sections " + ", ".join(_SECTIONS))
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="another value, as training.epochs=3")
    add("--code", metavar="FILE", type=Path, help="a Python file to run first: it registers functions of your own")
    add("--output", metavar="FOLDER", type=Path, help=f"where to write {MODEL_FILE} and the filled {CONFIG_FILE}")


class _Settings(NamedTuple):
    """The section [training]."""

    epochs: int = 10
    batch_size: int | Schedule[int] = 32
    seed: int = 0
    use_averages: bool = True
    max_norm: float | None = None
    """The greatest norm of all gradients together; the optimizer's grad_clip is of each parameter's."""


class _Run(NamedTuple):
    """What a config resolves to."""

    model: Model[Any, Any]
    optimizer: Optimizer
    loss: Callable[[Any, Any], tuple[Any, float]]
    train: tuple[Any, Any]
    dev: tuple[Any, Any]
    settings: _Settings


def run(options: argparse.Namespace, clock: Callable[[], float]) -> int:
    """Run the command; raises `CommandError` on bad input."""
    if options.code is not None:
        _run_code(options.code)
    config = _read(options.config, options.set)
    with _config_errors(options.config):
        training, filled = _resolve(config, options.config)
    _initialize(training, options.config)
    if options.output is not None:
        require_writable(options.output)
    print(f"{training.model.name[:80]}: {training.model.num_params:,} parameters; {len(training.train[0]):,} examples")
    with StopRequest() as stop:
        finished = _train(training, lambda: stop.requested)
    if options.output is not None:
        try:
            with training.model.use_params(_averages(training)):
                training.model.to_disk(options.output / MODEL_FILE)
            filled.to_disk(options.output / CONFIG_FILE, interpolate=False)
        except OSError as err:
            raise CommandError(f"cannot write ({err.strerror or err})", path=options.output) from err
        print(f"saved {MODEL_FILE} and {CONFIG_FILE} in {options.output}")
    return OK if finished else INTERRUPTED


def _read(path: Path, changes: Sequence[str]) -> Config:
    from ..api import Config

    overrides: dict[str, Any] = {}
    for change in changes:
        key, sign, value = change.partition("=")
        if not sign or "." not in key:
            raise CommandError(f"--set {change!r}: expected SECTION.KEY=VALUE, as training.epochs=3")
        try:
            overrides[key] = json.loads(value)
        except ValueError:
            overrides[key] = value
    with reading(path):
        text = path.read_text(encoding="utf-8")
    with _config_errors(path):
        return Config().from_str(text, interpolate=False, overrides=overrides)


def _resolve(config: Config, path: Path) -> tuple[_Run, Config]:
    from ..config import registry
    from ..schedules import Schedule

    importlib.import_module("._datasets", __package__)  # registers the data sets

    if missing := [name for name in _SECTIONS if name not in config]:
        raise CommandError(f"there is no section [{missing[0]}]", path=path)
    filled = registry.fill(config)
    values = config.interpolate()["training"]
    if unknown := sorted(set(values) - set(_Settings._fields)):
        raise CommandError(f"training -> {unknown[0]}: not one of {', '.join(_Settings._fields)}", path=path)
    # The seed governs what the functions draw when they are called.
    _seed(values.get("seed", 0), path)
    made = registry.resolve(config)
    settings = _Settings(**made["training"])
    sizes = settings.batch_size
    max_norm = settings.max_norm
    for name, good, expected in (
        ("epochs", _is_count(settings.epochs), "a whole number of at least 1"),
        ("batch_size", _is_count(sizes) or isinstance(sizes, Schedule), "a whole number of at least 1, or a schedule"),
        ("use_averages", isinstance(settings.use_averages, bool), "true or false"),
        ("max_norm", max_norm is None or (_is_number(max_norm) and max_norm > 0), "a number above 0, or null"),
    ):
        if not good:
            got = getattr(settings, name)
            raise CommandError(f"training -> {name}: expected {expected}, got {got!r}", path=path)
    try:
        (X, Y), (dev_X, dev_Y) = made["dataset"]
        if not len(X):
            raise ValueError("it has no examples")
    except (TypeError, ValueError) as err:
        raise CommandError(f"dataset: expected (inputs, truths) to train and (inputs, truths) for dev: {err}") from err
    return _Run(made["model"], made["optimizer"], made["loss"], (X, Y), (dev_X, dev_Y), settings), filled


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _seed(value: object, path: Path) -> None:
    from ..util import fix_random_seed

    if not isinstance(value, int) or not 0 <= value < 2**32:
        raise CommandError(f"training -> seed: expected a whole number from 0 to 2**32 - 1, got {value!r}", path=path)
    fix_random_seed(value)


def _initialize(training: _Run, path: Path) -> None:
    X, Y = (part[:_EXAMPLES_TO_INITIALIZE] for part in training.train)
    try:
        training.model.initialize(X=X, Y=Y)
        training.loss(training.model.begin_update(X)[0], Y)
    except (ValueError, TypeError, KeyError) as err:
        raise CommandError(f"model: it does not fit the data set: {err}", path=path) from err


def _train(training: _Run, stop_requested: Callable[[], bool]) -> bool:
    """All epochs, a line for each, with the accuracy of the averaged parameters; False if the user stopped it."""
    model, optimizer, settings = training.model, training.optimizer, training.settings
    print(_ROW.format("epoch", "loss", "accuracy", "seconds"))
    for epoch in range(1, settings.epochs + 1):
        start, total = time.perf_counter(), 0.0
        for X, Y in model.ops.multibatch(_sizes(settings.batch_size), *training.train, shuffle=True):
            guesses, backprop = model.begin_update(X)
            gradient, loss = training.loss(guesses, Y)
            backprop(gradient)
            model.finish_update(optimizer, max_norm=settings.max_norm)
            optimizer.step_schedules()
            total += float(loss)
            if total != total or total in (float("inf"), float("-inf")):
                raise CommandError(f"the loss is {total} in epoch {epoch}; try a smaller learning rate", status=FAILED)
            if stop_requested():
                break
        seconds = time.perf_counter() - start
        with model.use_params(_averages(training)):
            accuracy = optimizer.last_score = _accuracy(model, *training.dev)
        print(_ROW.format(epoch, f"{total:.4f}", f"{accuracy:.4f}", f"{seconds:.2f}"), flush=True)
        if stop_requested():
            print("interrupted", file=sys.stderr)
            break
    return not stop_requested()


def _averages(training: _Run) -> dict[tuple[int, str], Any]:
    """The parameters that are tried and written: the averaged ones, if the config wants them."""
    return (training.optimizer.averages or {}) if training.settings.use_averages else {}


def _sizes(batch_size: int | Schedule[int]) -> Any:
    return batch_size if isinstance(batch_size, int) else (int(size) for size in batch_size.to_generator())


def _accuracy(model: Model[Any, Any], X: Any, Y: Any) -> float:
    """Share of the rows whose highest guess is where the truth is; NaN without any."""
    right = rows = 0
    for start in range(0, len(X), _PREDICTED_AT_ONCE):
        guesses, truths = model.predict(X[start : start + _PREDICTED_AT_ONCE]), Y[start : start + _PREDICTED_AT_ONCE]
        for guess, truth in zip(guesses, truths, strict=True) if isinstance(guesses, list) else [(guesses, truths)]:
            right += int(((guess.argmax(axis=-1) == truth.argmax(axis=-1)) & truth.any(axis=-1)).sum())
            rows += len(truth)
    return right / rows if rows else float("nan")


def _run_code(path: Path) -> None:
    with reading(path):
        path.stat()
    spec = importlib.util.spec_from_file_location("thinc_nb_code", path)
    if spec is None or spec.loader is None:
        raise CommandError("not a Python file", path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


@contextmanager
def _config_errors(path: Path) -> Iterator[None]:
    """Turn what is wrong with a config into one line that names section and key."""
    from ..api import ConfigValidationError

    try:
        yield
    except ConfigValidationError as err:
        parent = [err.parent] if err.parent else []
        problems = [
            ": ".join([" -> ".join([*parent, *map(str, problem.get("loc", ()))]), _said(problem)]).strip(": ")
            for problem in err.errors or ()
        ]
        raise CommandError("; ".join(problems) or err.desc or "not a valid config", path=path) from err
    except (ValueError, TypeError, configparser.Error) as err:
        raise CommandError(str(err), path=path) from err


def _said(problem: Mapping[str, Any]) -> str:
    message = str(problem.get("msg"))
    return "it is a section, and is given a value too" if message == "found conflicting values" else message
