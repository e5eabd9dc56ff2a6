"""`thinc-nb train`: the example configs, what it writes, and bad configs in one line that names section and key."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from thinc_nb.api import Config, registry
from thinc_nb.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
SPIRALS, TAGGER = EXAMPLES / "spirals.cfg", EXAMPLES / "tagger.cfg"


def accuracies(out: str) -> list[float]:
    return [float(found) for found in re.findall(r"^ +\d+ +[\d.]+ +([\d.]+) +[\d.]+$", out, re.MULTILINE)]


def test_spirals_are_told_apart_and_the_model_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert main(["train", str(SPIRALS), "--output", str(folder), "--set", "training.epochs=12"]) == 0
    reached = accuracies(capsys.readouterr().out)
    assert len(reached) == 12
    assert reached[-1] > 0.97

    made = registry.resolve(Config().from_disk(folder / "config.cfg"))
    model = made["model"].initialize(X=made["dataset"][0][0], Y=made["dataset"][0][1]).from_disk(folder / "model.bin")
    X, Y = made["dataset"][1]
    assert (model.predict(X).argmax(axis=1) == Y.argmax(axis=1)).mean() == pytest.approx(reached[-1], abs=1e-4)


def test_the_tagger_learns(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["--set=dataset.lines=600", "--set=training.epochs=2", "--set=hyper.width=16"]
    assert main(["train", str(TAGGER), *changes]) == 0
    first, second = accuracies(capsys.readouterr().out)
    assert second > max(first, 0.6)


def test_a_run_repeats_bit_for_bit(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["train", str(SPIRALS), f"--output={tmp_path / name}", "--set=training.epochs=2"]) == 0
    assert (tmp_path / "a/model.bin").read_bytes() == (tmp_path / "b/model.bin").read_bytes()


def test_a_treebank(data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    dataset = f'@datasets = "conllu.v1"\ntrain = "{data / "train.conllu"}"\ndev = "{data / "dev.conllu"}"'
    text = TAGGER.read_text().replace('@datasets = "python_source.v1"\nlines = 10000', dataset)
    config = tmp_path / "treebank.cfg"
    config.write_text(text.replace("width = 64", "width = 16"))
    assert main(["train", str(config), "--set=training.epochs=3"]) == 0
    assert accuracies(capsys.readouterr().out)[-1] > 0.9


def test_functions_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text(
        "import numpy as np\nfrom thinc_nb.api import registry\n"
        '@registry.datasets("train_test_signs.v1")\n'
        "def signs(n: int):\n"
        '    X = np.random.default_rng(0).normal(size=(n, 3)).astype("f")\n'
        '    Y = np.eye(2, dtype="f")[(X[:, 0] > 0).astype(int)]\n'
        "    return (X, Y), (X[:10], Y[:10])\n"
    )
    text = re.sub(
        r"\[dataset\][^\[]*", '[dataset]\n@datasets = "train_test_signs.v1"\nn = 200\n\n', SPIRALS.read_text()
    )
    config = tmp_path / "signs.cfg"
    config.write_text(text)
    assert main(["train", str(config), f"--code={code}", "--set=training.epochs=5"]) == 0
    assert accuracies(capsys.readouterr().out)[-1] >= 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimizer.beta1=high", "optimizer -> beta1: value is not a valid float"),
        ("model.*.output.nO=some", "model.*.output -> nO: value is not a valid integer"),
        ("loss.sharpness=1", "loss -> sharpness: extra fields not permitted"),
        ("training.epochs=0", "training -> epochs: expected a whole number of at least 1, got 0"),
        (
            "training.batch_size=none",
            "training -> batch_size: expected a whole number of at least 1, or a schedule, got 'none'",
        ),
        ("training.max_norm=0", "training -> max_norm: expected a number above 0, or null, got 0"),
        ("training.use_averages=3", "training -> use_averages: expected true or false, got 3"),
        ("optimizer.learn_rate=3", "optimizer -> learn_rate: it is a section, and is given a value too"),
        ("training.seed=-1", "training -> seed: expected a whole number"),
        ("training.pace=1", "training -> pace: not one of epochs"),
        ("dataset.examples=0", "it has no examples"),
        ("model.*.output.nO=5", "it does not fit the data set"),
        ("epochs", "expected SECTION.KEY=VALUE"),
        ("dataset.@datasets=moons.v1", "'moons.v1' in registry thinc_nb -> datasets"),
    ],
)
def test_a_bad_value_is_one_line_that_names_section_and_key(
    change: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(SPIRALS), "--set", change]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no sections", "no section headers"),
        ("[model]\na = 1\n", "there is no section [dataset]"),
        ("[a]\nb = ${c.d}\n", "c.d"),
        ("[a]\nb = 1\n[a]\n", "section 'a' already exists"),
        ("[a]\nb = 1\nb = 2\n", "option 'b' in section 'a' already exists"),
    ],
)
def test_a_bad_file_is_one_line(text: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.cfg"
    path.write_text(text + "".join(f"[{name}]\nx = 1\n" for name in ("dataset", "model", "optimizer")) * ("$" in text))
    assert main(["train", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"thinc-nb train: error: {path}: ")
    assert message in err or "there is no section" in err
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_and_an_output_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["train", str(tmp_path / "none.cfg")]) == 2
    assert "none.cfg: No such file" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["train", str(SPIRALS), "--set=training.epochs=1", f"--output={tmp_path / 'file'}"]) == 2
    captured = capsys.readouterr()
    assert "cannot write" in captured.err
    assert "epoch" not in captured.out  # said before the training, not after it


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_a_loss_that_is_not_finite_ends_the_training(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code = tmp_path / "nan.py"
    code.write_text(
        "from thinc_nb.api import registry\n"
        '@registry.losses("train_test_nan.v1")\n'
        'def nan():\n    return lambda guesses, truths: (guesses, float("nan"))\n'
    )
    text = SPIRALS.read_text().replace("CategoricalCrossentropy.v3", "train_test_nan.v1")
    config = tmp_path / "nan.cfg"
    config.write_text(text)
    assert main(["train", str(config), f"--code={code}"]) == 1
    assert "the loss is nan in epoch 1" in capsys.readouterr().err


def test_data_sets_are_pairs_of_pairs() -> None:
    (X, Y), (dev_X, dev_Y) = registry.resolve({"d": {"@datasets": "spirals.v1", "examples": 50, "classes": 4}})["d"]
    assert (X.shape, Y.shape, dev_X.shape, dev_Y.shape) == ((40, 2), (40, 4), (10, 2), (10, 4))
    assert np.array_equal(Y.sum(axis=1), np.ones(40))


def test_the_averages_of_a_torch_module_are_written_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    code = tmp_path / "code.py"
    code.write_text(
        "import torch\nfrom thinc_nb.api import PyTorchWrapper, registry\n"
        '@registry.layers("train_test_torch.v1")\n'
        "def hidden(nO: int):\n"
        "    return PyTorchWrapper(torch.nn.Sequential(torch.nn.Linear(2, nO), torch.nn.Tanh()))\n"
    )
    hidden = '@layers = "clone.v1"\nn = 2\n\n[model.*.hidden.orig]\n@layers = "Mish.v1"'
    text = SPIRALS.read_text().replace(hidden, '@layers = "train_test_torch.v1"')
    text = text.replace('@layers = "Softmax.v2"', '@layers = "Softmax.v2"\nnI = 32')
    config, folder = tmp_path / "torch.cfg", tmp_path / "out"
    config.write_text(text)
    changes = ["--set=training.epochs=2", "--set=optimizer.learn_rate.initial_rate=0.5"]
    assert main(["train", str(config), f"--code={code}", f"--output={folder}", *changes]) == 0
    reached = accuracies(capsys.readouterr().out)[-1]
    made = registry.resolve(Config().from_disk(folder / "config.cfg"))
    X, Y = made["dataset"][1]
    guesses = made["model"].from_disk(folder / "model.bin").predict(X)
    assert (guesses.argmax(axis=1) == Y.argmax(axis=1)).mean() == pytest.approx(reached, abs=1e-4)
