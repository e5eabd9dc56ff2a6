"""What a new process waits for: imports, and the first prediction of a saved tagger.

    python benchmarks/cold.py [--repeats 5]

Seconds, the start of Python included: the median of the repeats, and that of processor time, which other programs
disturb less. "Warm" has the compiled kernels on disk, "empty" has to compile them. Python's bytecode is on disk, as pip
leaves it for what it installs, even where PYTHONDONTWRITEBYTECODE is set.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PREPARE = """
from benchmarks._models import case
import thinc_nb.api as api
case("tagger-1", api).model.to_disk({path!r})
"""
PREDICT = """
from benchmarks._models import DEPTH, TAGS, tagger_layers
import numpy as np
import thinc_nb.api as api
model = api.with_array(tagger_layers(api), pad=DEPTH).from_disk({path!r})
assert model.predict([np.arange(80, dtype="uint64").reshape(20, 4)])[0].shape == (20, TAGS)
"""


def seconds(program: str, environment: dict[str, str]) -> tuple[float, float]:
    """Elapsed and processor time of a program."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(name: str, target: str, times: list[tuple[float, float]]) -> None:
    """A line of the table."""
    elapsed, processor = (statistics.median(each) for each in zip(*times, strict=True))
    print(f"{name:<44} {elapsed:8.3f} {processor:10.3f} {target:>8}", flush=True)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    path = os.pathsep.join(
        filter(None, [str(ROOT / "src"), str(ROOT / "asv_benchmarks"), os.environ.get("PYTHONPATH")])
    )
    print(f"{'':<44} {'seconds':>8} {'processor':>10} {'target':>8}")
    with tempfile.TemporaryDirectory() as folder:
        saved = str(Path(folder, "tagger.bin"))
        environment = {**os.environ, "PYTHONPATH": path, "THINC_NB_CACHE_DIR": str(Path(folder, "warm"))}
        environment |= {"PYTHONPYCACHEPREFIX": str(Path(folder, "bytecode")), "PYTHONDONTWRITEBYTECODE": ""}
        subprocess.run([sys.executable, "-c", PREPARE.format(path=saved)], env=environment, check=True)
        predict = PREDICT.format(path=saved)
        seconds(predict, environment)
        for name, program, target in (
            ("python", "pass", ""),
            ("import numpy", "import numpy", ""),
            ("import thinc_nb", "import thinc_nb", "0.3"),
            ("import thinc_nb.api", "import thinc_nb.api", "0.6"),
        ):
            report(name, target, [seconds(program, environment) for _ in range(repeats)])
        report("first prediction, warm", "1.0", [seconds(predict, environment) for _ in range(repeats)])
        folders = [str(Path(folder, f"empty{i}")) for i in range(min(repeats, 3))]
        empty = [seconds(predict, {**environment, "THINC_NB_CACHE_DIR": new}) for new in folders]
        report("first prediction, empty", "8", empty)


if __name__ == "__main__":
    main()
