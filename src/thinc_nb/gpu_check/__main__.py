"""Whether the GPU computes what the CPU does, and how fast.

    python -m thinc_nb.gpu_check [--quick] [--only REGEX] [--json FILE]

Needs an NVIDIA GPU and CuPy. Thinc and PyTorch are measured too where they are installed. The exit status is 0 if all
is right, 1 if a result is wrong, and 2 if there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import compat
from ..backends import CupyOps, NumpyOps
from ._bench import OURS, SHAPES as BENCHMARKED, THINC, TORCH, Timing, peers, timings
from ._device import device_checks, launch_seconds
from ._parity import SHAPES, Verdict, verdicts

NO_GPU = 2
TITLE = f"{'operation':<37}{'error':>9}{'float64':>9}  {'shape':<9}{'ours µs':>9}{'Thinc µs':>10}{'torch µs':>10}"
TITLE += f"{'Thinc':>7}{'torch':>7}{'copy':>6}"


def missing_gpu() -> str | None:
    """What is missing, or None if there is a GPU to check."""
    if not compat.has_cupy:
        return "CuPy is not installed: pip install 'thinc_nb[cuda13x]', or cuda12x, by the CUDA version of the driver"
    if not compat.has_cupy_gpu or compat.cupy.cuda.runtime.getDeviceCount() == 0:
        return "CuPy finds none: see nvidia-smi, and whether the driver fits CuPy's CUDA version"
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m thinc_nb.gpu_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one small shape, and few repeats")
    parser.add_argument("--only", default="", metavar="REGEX", help="operations whose name matches")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there too")
    options = parser.parse_args(arguments)
    missing = missing_gpu()
    if missing is not None:
        print(f"gpu_check needs an NVIDIA GPU, and there is none here. {missing}", file=sys.stderr)
        return NO_GPU
    cupy = compat.cupy
    print(" ".join(machine(cupy)))
    pattern = re.compile(options.only)
    shapes = SHAPES[2:3] if options.quick else SHAPES
    found = verdicts(CupyOps(), NumpyOps(), shapes=shapes, wanted=pattern.search, progress=tell)
    tell("")
    if not options.only:
        found += device_checks(cupy)
    measured = timings(
        cupy,
        CupyOps(),
        peers(),
        shapes=shapes if options.quick else BENCHMARKED,
        wanted=pattern.search,
        seconds=0.001 if options.quick else 0.2,
    )
    print(TITLE)
    times: list[Timing] = []
    for timing in measured:
        times.append(timing)
        print(line(timing.label, next((v for v in found if v.label == timing.label), None), timing), flush=True)
    timed = {timing.label for timing in times}
    for verdict in found:
        if verdict.label not in timed:
            print(line(verdict.label, verdict, None))
    print(f"a launch takes {launch_seconds(cupy) * 1e6:.1f} µs until it is queued")
    problems = [problem for verdict in found for problem in verdict.problems]
    print("\n".join(problems) if problems else f"{len(found)} checks, and all results are those of the CPU")
    if options.json is not None:
        facts = {"machine": machine(cupy), "verdicts": [*map(asdict, found)], "timings": [*map(asdict, times)]}
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 1 if problems else 0


def machine(cupy: Any) -> list[str]:
    """The GPU, and the versions of what was measured."""
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    facts = [properties["name"].decode()]
    for name in ("thinc_nb", "thinc", "torch", "numba", "numba-cuda"):
        try:
            facts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return [*facts, f"cupy {cupy.__version__}"]


def tell(text: str) -> None:
    """Show what is being checked, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:<60.60}", end="" if text else "\r", file=sys.stderr, flush=True)


def line(label: str, verdict: Verdict | None, timing: Timing | None) -> str:
    """A row of the table."""
    return f"{label:<37.37}{''.join(errors(verdict))}" + ("" if timing is None else "".join(columns(timing)))


def errors(verdict: Verdict | None) -> Iterator[str]:
    """The largest error in each precision, or that something is wrong."""
    for dtype in ("float32", "float64"):
        text = ""
        if verdict is not None:
            text = f"{verdict.errors[dtype]:.0e}" if dtype in verdict.errors else ""
            text = "WRONG" if verdict.problems else "same" if text == "0e+00" else text
        yield f"{text:>9}"


def columns(timing: Timing) -> Iterator[str]:
    """Our time, and those of the others as multiples of it."""
    seconds = timing.seconds
    yield f"  {timing.shape:<9}"
    for name, width in ((OURS, 9), (THINC, 10), (TORCH, 10)):
        yield f"{seconds[name] * 1e6:.1f}".rjust(width) if name in seconds else " " * width
    for name in (THINC, TORCH):
        yield f"{seconds[name] / seconds[OURS]:.2f}".rjust(7) if name in seconds else " " * 7
    yield f"{timing.share:.0%}".rjust(6)


if __name__ == "__main__":
    sys.exit(main())
