"""Train the same tagger with thinc_nb and with Thinc from PyPI, turn by turn, and print accuracy and time of both.

    python benchmarks/compare_thinc_tagger.py --train train.conllu.gz --dev dev.conllu.gz

Run it with a Python that has thinc_nb. Thinc is installed into a temporary environment of the same Python, unless
--thinc-python names one that has it. Both run `tagger_program.py`, which takes the module as its argument. The two
processes train one epoch each in turn, with all threads, so that a disturbance of the machine meets both; whoever is
waiting waits for input and costs nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

THINC = "thinc==9.1.1"
PROGRAM = Path(__file__).with_name("tagger_program.py")
SOURCE = Path(__file__).resolve().parent.parent / "src"


class Runner:
    """A process that trains an epoch when it is told to."""

    def __init__(self, python: str, api: str, arguments: list[str], environment: dict[str, str]) -> None:
        self.api = api
        self.epochs: list[dict[str, float]] = []
        command = [python, str(PROGRAM), api, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is not None:
            self._process.terminate()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def epoch(self) -> dict[str, float]:
        """Have one more epoch trained."""
        if self._process.stdin is None:
            raise RuntimeError("the process has no standard input")
        self._process.stdin.write("epoch\n")
        self._process.stdin.flush()
        self.epochs.append(self._answer())
        return self.epochs[-1]

    @property
    def seconds(self) -> float:
        """Time in training, over all epochs."""
        return sum(epoch["seconds"] for epoch in self.epochs)

    def _answer(self) -> dict[str, float]:
        line = "" if self._process.stdout is None else self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.api}: the program ended with status {self._process.wait()}")
        answer: dict[str, float] = json.loads(line)
        return answer


@contextlib.contextmanager
def python_with_thinc() -> Iterator[str]:
    """A Python in a temporary environment with Thinc from PyPI."""
    with tempfile.TemporaryDirectory(prefix="thinc-") as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "Scripts" if os.name == "nt" else "bin", "python"))
        print(f"installing {THINC} ...", flush=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", THINC], check=True)
        yield python


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="CoNLL-U file, plain or .gz")
    parser.add_argument("--dev", type=Path, required=True, help="CoNLL-U file, plain or .gz")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--thinc-python", help="a Python that has Thinc, instead of a new environment")
    options = parser.parse_args()
    arguments = [f"--{name}={getattr(options, name)}" for name in ("train", "dev", "seed")]
    arguments.append(f"--batch-size={options.batch_size}")
    ours = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")])))
    theirs = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    given = contextlib.nullcontext(options.thinc_python) if options.thinc_python else python_with_thinc()
    with (
        given as python,
        Runner(python, "thinc.api", arguments, theirs) as thinc,
        Runner(sys.executable, "thinc_nb.api", arguments, ours) as thinc_nb,
    ):
        print(
            f"{'epoch':>5}  {'Thinc: accuracy':>15}  {'seconds':>7}  {'thinc_nb: accuracy':>18}  {'seconds':>7}  ratio"
        )
        for epoch in range(1, options.epochs + 1):
            a, b = thinc.epoch(), thinc_nb.epoch()
            print(
                f"{epoch:>5}  {a['accuracy']:>15.4f}  {a['seconds']:>7.2f}"
                f"  {b['accuracy']:>18.4f}  {b['seconds']:>7.2f}  {b['seconds'] / a['seconds']:.2f}",
                flush=True,
            )
        ratio = thinc_nb.seconds / thinc.seconds
        print(f"total  {'':>15}  {thinc.seconds:>7.2f}  {'':>18}  {thinc_nb.seconds:>7.2f}  {ratio:.2f}")


if __name__ == "__main__":
    main()
