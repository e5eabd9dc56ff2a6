"""What the plugin costs: seconds that mypy takes for 400 models of five layers, with the plugin and without.

    python benchmarks/mypy_plugin.py [--models 400] [--rounds 5]

numpy and thinc_nb are in mypy's cache, as they are for users; the models are checked anew each time, with and without
in turn. Printed are processor seconds, the least of all rounds.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
STUBS = SOURCE.parent / "stubs"
HEAD = """from thinc_nb.api import Linear, Maxout, Model, Relu, Softmax, chain, expand_window, residual
from thinc_nb.types import Floats2d
"""
MODEL = """
def build_{i}(classes: int) -> Model[Floats2d, Floats2d]:
    return chain(
        Linear({width}, 96),
        Relu({width}),
        residual(chain(expand_window(1), Maxout({width}, {width} * 3))),
        Linear(64, {width}),
        Softmax(classes, 64),
    )
"""


def seconds(folder: Path, name: str, plugin: bool) -> float:
    """The processor time of one run on files that the cache does not know."""
    config = folder / f"{name}.ini"
    plugins = "plugins = thinc_nb.mypy\n" if plugin else ""
    config.write_text(f"[mypy]\n{plugins}mypy_path = {SOURCE}:{STUBS}\n[mypy-thinc_nb.*]\nfollow_imports = silent\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(folder / name), "models"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_models(folder: Path, models: int, salt: int) -> None:
    """Models in files of 40; another salt makes other files."""
    for start in range(0, models, 40):
        text = "".join(MODEL.format(i=i, width=16 + i % 32) for i in range(start, min(start + 40, models)))
        (folder / f"models_{start}.py").write_text(f"{HEAD}{text}\nSALT = {salt}\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {"plain": [], "plugin": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "models").mkdir()
        for salt in range(arguments.rounds + 1):
            write_models(folder / "models", arguments.models, salt)
            for kind, found in times.items():
                found.append(seconds(folder, kind, kind == "plugin"))
    plain, plugin = (min(found[1:]) for found in times.values())  # the first round filled the cache
    print(f"{arguments.models} models of five layers: {plain:.2f} s without the plugin, {plugin:.2f} s with it")
    print(f"ratio {plugin / plain:.3f}")


if __name__ == "__main__":
    main()
