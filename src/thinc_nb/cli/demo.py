"""`thinc-nb demo`: train the tagger on real data, show how well it does, save it, load it, use it."""

from __future__ import annotations

import argparse
import functools
import importlib.util
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._errors import INTERRUPTED, OK, CommandError, require_writable
from ._parser import OneLineParser, count, positive, seed, share

if TYPE_CHECKING:
    import numpy as np

    from ._corpus import Corpus
    from ._report import Report
    from ._scores import Confusion
    from ._sentences import Sentence
    from ._training import Training

__all__ = ["add_arguments", "run"]

CURVE_FILE: Final = "learning-curve.png"
CONFUSION_FILE: Final = "confusion-matrix.png"
_SHOWN_LINES: Final = 6


def add_arguments(parser: OneLineParser) -> None:
    """Declare the options of the command."""
    add = parser.add_argument
    add("--train", type=Path, metavar="FILE", help="train on this CoNLL-U file (plain or .gz), not on Python source")
    add("--dev", type=Path, metavar="FILE", help="evaluate on this CoNLL-U file; goes with --train")
    add("--column", metavar="NAME", help="the CoNLL-U column to predict (default: upos)")
    add("--output", type=Path, default=Path("demo-out"), metavar="FOLDER", help="default: %(default)s")
    add("--epochs", type=count, default=5, metavar="N", help="passes over the data (default: %(default)s)")
    add("--batch-size", type=count, default=64, metavar="N", help="sentences in a step (default: %(default)s)")
    add("--max-sentences", type=count, metavar="N", help="train on at most N sentences")
    add("--width", type=count, default=96, metavar="N", help="width of the layers (default: %(default)s)")
    add("--depth", type=count, default=4, metavar="N", help="convolutional layers (default: %(default)s)")
    add("--dropout", type=share, default=0.1, metavar="X", help="default: %(default)s")
    add("--learn-rate", type=positive, default=0.001, metavar="X", help="default: %(default)s")
    add("--seed", type=seed, default=0, metavar="N", help="default: %(default)s")
    add("--quiet", action="store_true", help="print nothing but errors")


def run(options: argparse.Namespace, clock: Callable[[], float]) -> int:
    """Run the command; raises `CommandError` on bad input, before anything is trained."""
    _require_extra("rich", "matplotlib")
    require_writable(options.output)
    demo = _Demo(options)
    try:
        demo.run(clock)
    except KeyboardInterrupt:
        demo.end_interrupted()
        return INTERRUPTED
    return OK


class _Demo:
    """One run, and how far it has come: what can be saved when it is interrupted."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.training: Training | None = None

    def run(self, clock: Callable[[], float]) -> None:
        """Read, train, score, save, load, tag."""
        import numpy as np

        options = self.options
        rng = np.random.default_rng(options.seed)
        corpus = _open_corpus(options, rng)

        # From here on the imports are expensive; bad input was found before them.
        from ._interrupt import StopRequest
        from ._report import Report
        from ._sentences import Encoder
        from ._tagger import Tagger, TaggerSettings
        from ._training import Examples, Training

        stop = StopRequest(
            can_wait=lambda: self.training is not None and self.training.batches > 0,
            announce=lambda: _say_aside("stopping after this batch (Ctrl-C again: at once)"),
        )
        report = Report(clock, epochs=options.epochs, quiet=options.quiet, stop_requested=lambda: stop.requested)
        report.say(corpus.description)
        _announce_compilation(report)
        _compile()
        encoder = Encoder(corpus.labels)
        examples = Examples(corpus.train, encoder, corpus.expected, rng)
        dev = functools.cache(lambda: [encoder.encode(sentence) for sentence in corpus.read_dev()])
        settings = TaggerSettings(
            corpus.kind, corpus.column, corpus.labels, options.width, options.depth, options.dropout
        )
        try:
            with stop:
                training = Training(Tagger.new(settings, options.seed), options.learn_rate)
                self.training = training
                sizes = {"epochs": options.epochs, "batch_size": options.batch_size}
                finished = training.run(examples, dev, report, **sizes)
        finally:
            report.close()
        if not finished:
            raise KeyboardInterrupt
        confusion = training.confusion(dev())
        report.scores(confusion)
        _save(training, options.output, confusion)
        _show_loaded(options.output, corpus.read_dev(), report)

    def end_interrupted(self) -> None:
        """Save what was trained and say so."""
        if self.training is None or not self.training.batches:
            _say_aside("interrupted before the first batch was trained: nothing was saved")
            return
        files = ", ".join(_save(self.training, self.options.output, None))
        _say_aside(f"interrupted after batch {self.training.batches}: saved {files} in {self.options.output}{os.sep}")


def _announce_compilation(report: Report) -> None:
    """Say why the first batch takes so long, if it will."""
    from ..kernels import cache_info

    cache = cache_info()
    if cache.folder is None:
        report.say("compiling kernels, which are not kept (THINC_NB_CACHE_DIR is empty) ...")
    elif not cache.entries:
        report.say(f"compiling kernels, once; they are kept in {cache.folder} ...")


def _compile() -> None:
    """Compile what training needs, on all cores at once. In a first batch one kernel would come after the other."""
    from ..kernels import warmup
    from ._tagger import KERNELS

    warmup(names=KERNELS)


def _require_extra(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(f"{' and '.join(missing)} not installed: pip install 'thinc_nb[demo]'")


def _open_corpus(options: argparse.Namespace, rng: np.random.Generator) -> Corpus:
    from ._conllu import column_index
    from ._corpus import conllu_corpus, library_corpus

    if options.train is None and options.dev is None:
        if options.column is not None:
            raise CommandError("--column needs CoNLL-U files: give --train and --dev")
        return library_corpus(limit=options.max_sentences)
    if options.train is None or options.dev is None:
        raise CommandError("--train and --dev go together")
    column = options.column or "upos"
    try:
        column_index(column)
    except ValueError as err:
        raise CommandError(str(err), path=options.train) from err
    return conllu_corpus(options.train, options.dev, column.lower(), limit=options.max_sentences, rng=rng)


def _save(training: Training, folder: Path, confusion: Confusion | None) -> list[str]:
    """Write the model, and the pictures of what there is; the names of the files."""
    import dataclasses

    from ._plots import plot_confusion, plot_learning_curve
    from ._tagger import MODEL_FILE, SETTINGS_FILE

    written = [MODEL_FILE, SETTINGS_FILE]
    try:
        training.tagger.save(folder, [dataclasses.asdict(record) for record in training.history])
        if training.history:
            plot_learning_curve(training.history, folder / CURVE_FILE)
            written.append(CURVE_FILE)
        if confusion is not None:
            plot_confusion(confusion, folder / CONFUSION_FILE)
            written.append(CONFUSION_FILE)
    except OSError as err:
        raise CommandError(f"cannot write ({err.strerror or err})", path=folder) from err
    return written


def _show_loaded(folder: Path, sentences: Sequence[Sentence], report: Report) -> None:
    """Load what was saved and tag a few dev sentences with it."""
    from ._render import as_text
    from ._tagger import Tagger

    loaded = Tagger.load(folder)
    # Lines with something to see: several labelled words, not too long for a screen.
    fitting = (s for s in sentences if len(s.words) <= 20 and sum(label is not None for label in s.labels) >= 5)
    shown = list(itertools.islice(fitting, _SHOWN_LINES)) or list(sentences[:_SHOWN_LINES])
    report.say(f"saved in {folder}{os.sep}; lines of the dev set, tagged by the model loaded from there:")
    for sentence, tags in zip(shown, loaded.tag(sentence.words for sentence in shown), strict=True):
        seen = [tag if gold is not None else None for tag, gold in zip(tags, sentence.labels, strict=True)]
        report.console.print(as_text(sentence.words, seen, loaded.settings.labels, sentence.labels), soft_wrap=True)


def _say_aside(text: str) -> None:
    """On stderr: what happens to the user's work is said even when nothing else is."""
    print(text, file=sys.stderr, flush=True)
