"""`thinc-nb demo` from its arguments to its files."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from thinc_nb.cli import _plots, _tagger, demo, main
from thinc_nb.cli._conllu import read_conllu
from thinc_nb.cli._report import Report
from thinc_nb.cli._scores import Confusion
from thinc_nb.cli._sentences import Encoder
from thinc_nb.cli._tagger import KERNELS, Tagger
from thinc_nb.cli._training import EpochRecord, Training
from thinc_nb.kernels import Kernel
from thinc_nb.kernels._warmup import all_kernels

SMALL = ["--width=16", "--depth=1", "--batch-size=16"]
FILES = {"model.bin", "tagger.json", "learning-curve.png", "confusion-matrix.png"}
PNG = b"\x89PNG\r\n\x1a\n"


def on(data: Path, output: Path, *arguments: str) -> list[str]:
    return [
        "demo",
        f"--train={data / 'train.conllu'}",
        f"--dev={data / 'dev.conllu'}",
        f"--output={output}",
        *SMALL,
        *arguments,
    ]


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of a run that has to end with status 2 and one line on stderr."""
    assert main(["demo", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("thinc-nb demo: error: ")
    return captured.err.removeprefix("thinc-nb demo: error: ").rstrip("\n")


# -- a run that goes well --------------------------------------------------------------------------------------------


def test_run_on_conllu_writes_its_files_and_shows_what_it_learnt(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "new" / "folder"
    assert main(on(data, output, "--epochs=2")) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "train.conllu: 300 sentences, upos; dev dev.conllu: 50" in printed.out
    assert "first batch trained" in printed.out
    for word in ("precision", "recall", "F1", "NOUN", "accuracy 1.0000", "cat/NOUN", "tagged by the model loaded"):
        assert word in printed.out
    assert {path.name for path in output.iterdir()} == FILES
    assert all((output / name).read_bytes().startswith(PNG) for name in FILES if name.endswith("png"))
    settings = json.loads((output / "tagger.json").read_text(encoding="utf-8"))
    assert (settings["kind"], settings["column"]) == ("conllu", "upos")
    assert settings["labels"] == ["DET", "NOUN", "PUNCT", "VERB"]
    losses = [epoch["loss"] for epoch in settings["training"]]
    assert losses[1] < losses[0]


def test_run_on_python_source_needs_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--max-sentences=400", "--epochs=2", "--learn-rate=0.01", *SMALL]
    assert main(["demo", f"--output={tmp_path}", *options]) == 0
    printed = capsys.readouterr().out
    assert "the standard library's source: 400 logical lines" in printed
    assert "keyword" in printed
    settings = json.loads((tmp_path / "tagger.json").read_text(encoding="utf-8"))
    assert (settings["kind"], settings["column"]) == ("pysource", "role")
    assert settings["training"][1]["loss"] < settings["training"][0]["loss"]
    # Better than always saying the most frequent role, which is right for less than half of the names.
    assert settings["training"][1]["accuracy"] > 0.6


def test_loaded_model_predicts_exactly_what_the_trained_one_does(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Tagger] = []
    run = Training.run

    def remember(self: Training, *args: Any, **kwargs: Any) -> bool:
        trained.append(self.tagger)
        return run(self, *args, **kwargs)

    monkeypatch.setattr(Training, "run", remember)
    assert main(on(data, tmp_path, "--epochs=1", "--quiet")) == 0
    encoder = Encoder(trained[0].settings.labels)
    features = [encoder.encode(sentence).features for sentence in read_conllu(data / "dev.conllu")]
    loaded = Tagger.load(tmp_path)
    assert loaded.settings == trained[0].settings
    for ours, theirs in zip(loaded.model.predict(features), trained[0].model.predict(features), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_column_and_fewer_sentences(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(on(data, tmp_path, "--epochs=1", "--column=XPOS", "--max-sentences=40")) == 0
    assert "train.conllu: 40 sentences, xpos" in capsys.readouterr().out
    assert json.loads((tmp_path / "tagger.json").read_text())["labels"] == ["XDET", "XNOUN", "XPUNCT", "XVERB"]


def test_quiet_prints_nothing(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(on(data, tmp_path, "--epochs=1", "--quiet")) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_second_run_replaces_the_files_of_the_first(data: Path, tmp_path: Path) -> None:
    assert main(on(data, tmp_path, "--epochs=1", "--quiet")) == 0
    before = (tmp_path / "model.bin").read_bytes()
    assert main(on(data, tmp_path, "--epochs=1", "--quiet", "--seed=1")) == 0
    assert (tmp_path / "model.bin").read_bytes() != before
    assert {path.name for path in tmp_path.iterdir()} == FILES
    Tagger.load(tmp_path)


def test_labels_that_training_never_saw_are_wrong_and_said_to_be(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = tmp_path / "dev.conllu"
    dev.write_text((data / "dev.conllu").read_text().replace("\tVERB\t", "\tAUX\t"))
    arguments = ["--train", str(data / "train.conllu"), "--dev", str(dev), "--output", str(tmp_path / "out"), *SMALL]
    assert main(["demo", *arguments, "--epochs=2"]) == 0
    assert "have a label that training never saw" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "tagger.json").read_text())["training"][-1]["accuracy"] < 0.9


# -- bad input -------------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for train, dev in (("no.conllu", "dev.conllu"), ("train.conllu", "no.conllu")):
        message = error_of(capsys, f"--train={data / train}", f"--dev={data / dev}", f"--output={tmp_path / 'out'}")
        assert message == f"{data / 'no.conllu'}: No such file or directory"


@pytest.mark.parametrize("which", ["train", "dev"])
def test_malformed_line(which: str, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.conllu"
    bad.write_text("# fine\n1\tword\n")
    other = {"train": "dev", "dev": "train"}[which]
    message = error_of(capsys, f"--{which}={bad}", f"--{other}={data / other}.conllu", f"--output={tmp_path}")
    assert message == f"{bad}:2: expected 10 fields separated by tabs, found 2"


def test_empty_file(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.conllu"
    empty.touch()
    message = error_of(capsys, f"--train={empty}", f"--dev={data / 'dev.conllu'}", f"--output={tmp_path}")
    assert message == f"{empty}:1: the file has no sentences"


def test_no_such_column(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = error_of(capsys, *on(data, tmp_path, "--column=pos")[1:])
    assert message.startswith(f"{data / 'train.conllu'}: no column 'pos'")
    assert "upos" in message


def test_options_that_do_not_go_together(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        error_of(capsys, f"--train={data / 'train.conllu'}", f"--output={tmp_path}") == "--train and --dev go together"
    )
    assert "--column needs" in error_of(capsys, "--column=upos", f"--output={tmp_path}")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--epochs=0", "expected a whole number of at least 1, got '0'"),
        ("--width=x", "expected a whole number of at least 1, got 'x'"),
        ("--batch-size=-3", "expected a whole number of at least 1, got '-3'"),
        ("--dropout=1", "expected a number of at least 0 and below 1, got '1'"),
        ("--dropout=nan", "expected a number of at least 0 and below 1, got 'nan'"),
        ("--learn-rate=0", "expected a number above 0, got '0'"),
        ("--learn-rate=inf", "expected a number above 0, got 'inf'"),
        ("--seed=-1", "expected a whole number from 0 to 4294967295, got '-1'"),
        ("--colour", "unrecognized arguments: --colour"),
    ],
)
def test_options_out_of_range(option: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", option]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert expected in captured.err


def test_output_that_cannot_be_written_is_found_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_open_corpus", lambda *_: pytest.fail("the data was read first"))
    occupied = tmp_path / "file"
    occupied.touch()
    assert error_of(capsys, f"--output={occupied}").startswith(f"{occupied}: cannot write here")
    assert error_of(capsys, f"--output={occupied / 'below'}").startswith(f"{occupied / 'below'}: cannot write here")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o555)
        assert "cannot write here (Permission denied)" in error_of(capsys, f"--output={tmp_path / 'locked'}")


def test_missing_extra_names_the_command_that_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name))
    assert error_of(capsys) == "matplotlib not installed: pip install 'thinc_nb[demo]'"


def test_standard_library_without_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "python.zip"))
    message = error_of(capsys, f"--output={tmp_path}")
    assert message.startswith(f"{tmp_path / 'python.zip'}: no Python source files here")


def test_disk_full_at_the_end_is_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_tagger.os, "fsync", full)
    assert error_of(capsys, *on(data, tmp_path, "--epochs=1", "--quiet")[1:]) == (
        f"{tmp_path}: cannot write (No space left on device)"
    )
    assert list(tmp_path.iterdir()) == []


# -- Ctrl-C ----------------------------------------------------------------------------------------------------------


def interrupt_at(monkeypatch: pytest.MonkeyPatch, batch: int, times: int = 1) -> None:
    """Press Ctrl-C while the given batch is trained."""
    step = Training._step

    def pressed(self: Training, examples: Any) -> tuple[float, int]:
        result = step(self, examples)
        if self.batches == batch - 1:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(Training, "_step", pressed)


@pytest.mark.parametrize("times", [1, 2])
def test_interrupted_run_saves_what_there_is_and_says_so(
    times: int, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(monkeypatch, batch=25, times=times)
    before = signal.getsignal(signal.SIGINT)
    assert main(on(data, tmp_path, "--epochs=3")) == 130
    assert signal.getsignal(signal.SIGINT) is before
    # A batch that was cut short does not count.
    said = capsys.readouterr().err
    assert "stopping after this batch" in said
    assert (
        f"interrupted after batch {26 - times}: saved model.bin, tagger.json, learning-curve.png in {tmp_path}" in said
    )
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"confusion-matrix.png"}
    assert list(Tagger.load(tmp_path).tag([["the", "cat"]])) == [["DET", "NOUN"]]


def test_interrupt_before_the_first_batch_saves_nothing_and_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(monkeypatch, batch=1)
    assert main(on(data, tmp_path)) == 130
    assert capsys.readouterr().err == "interrupted before the first batch was trained: nothing was saved\n"
    assert list(tmp_path.iterdir()) == []


def test_interrupt_while_reading_saves_nothing_and_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("thinc_nb.cli._corpus.read_conllu", pressed)
    assert main(on(data, tmp_path)) == 130
    assert capsys.readouterr().err == "interrupted before the first batch was trained: nothing was saved\n"


def test_interrupt_after_training_keeps_the_model(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_plots, "plot_confusion", lambda *_: signal.raise_signal(signal.SIGINT))
    # A shell starts its jobs in the background with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(on(data, tmp_path, "--epochs=1")) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "saved model.bin, tagger.json, learning-curve.png" in capsys.readouterr().err
    Tagger.load(tmp_path)


@pytest.mark.parametrize(("folder", "expected"), [("", "which are not kept"), ("new", "once; they are kept in")])
def test_first_use_says_that_kernels_are_compiled(
    folder: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THINC_NB_CACHE_DIR", folder and str(tmp_path / folder))
    screen = io.StringIO()
    demo._announce_compilation(Report(lambda: 0.0, epochs=1, console=Console(file=screen)))
    assert expected in screen.getvalue()


@pytest.mark.without_contracts
def test_nothing_is_left_to_compile_in_training(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, called = Kernel.run, set()

    def noted(kernel: Kernel[...], *args: Any) -> None:
        called.add(kernel.name)
        run(kernel, *args)

    monkeypatch.setattr(Kernel, "run", noted)
    monkeypatch.setattr(Kernel, "__call__", noted)
    monkeypatch.setattr(demo, "_compile", lambda: None)
    for size in ("1", "64"):
        sizes = ["--width=96", "--depth=4", f"--batch-size={size}"]  # The demo's own: others have other kernels.
        assert main(on(data, tmp_path, "--epochs=1", "--quiet", *sizes)) == 0
    assert called
    assert called <= set(KERNELS) <= set(all_kernels())


def test_demo_runs_outside_the_main_thread(data: Path, tmp_path: Path) -> None:
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(main(on(data, tmp_path, "--epochs=1", "--quiet"))))
    thread.start()
    thread.join()
    assert status == [0]


# -- what is shown ---------------------------------------------------------------------------------------------------


def shown_on_a_terminal(**environment: str) -> str:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, _environ=environment)
    report = Report(lambda: 1.234, epochs=2, console=console)
    report.begin_epoch(1, 128)
    report.after_batch(64, 0.5, 1000.0)
    report.after_batch(64, 0.25, 2000.0)
    report.end_epoch(EpochRecord(1, 0.25, 0.9, 2.0, 4000))
    confusion = Confusion(["[bold]A", "B"])
    confusion.add(np.array([0, 1]), np.array([0, 1]))
    report.scores(confusion)
    return screen.getvalue()


def test_terminal_shows_progress_with_loss_and_speed() -> None:
    shown = shown_on_a_terminal(TERM="xterm-256color")
    assert "first batch trained 1.23 s after the start" in shown
    assert "epoch 1/2" in shown
    assert "loss 0.2500  2,000 words/s" in shown
    assert "0.9000" in shown


def test_no_color_is_respected() -> None:
    assert "\x1b[3" in shown_on_a_terminal(TERM="xterm-256color")
    assert "\x1b[3" not in shown_on_a_terminal(TERM="xterm-256color", NO_COLOR="1")


def test_labels_are_not_taken_for_markup() -> None:
    assert "[bold]A" in shown_on_a_terminal(TERM="xterm-256color", NO_COLOR="1")


def test_pictures_can_be_drawn_of_one_epoch_and_of_many_labels(tmp_path: Path) -> None:
    _plots.plot_learning_curve([EpochRecord(1, 0.5, float("nan"), 1.0, 10)], tmp_path / "curve.png")
    labels = [f"$_{i}$" for i in range(100)]
    confusion = Confusion(labels)
    confusion.add(np.arange(100), np.arange(100)[::-1].copy())
    _plots.plot_confusion(confusion, tmp_path / "confusion.png")
    assert all((tmp_path / name).read_bytes().startswith(PNG) for name in ("curve.png", "confusion.png"))
