"""Peak memory of saving and loading, with the model itself, as a multiple of the model's size; beside Thinc's.

Each figure is from a process of its own: the peak of resident memory during the call (VmHWM of Linux, reset before it),
less what the process held before it made the model. Thinc is measured where it is installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

ACTIONS = {
    "to_disk": "to_disk",
    "from_disk": "from_disk, no weights before",
    "from_disk again": "from_disk, over other weights",
    "to_bytes": "to_bytes, with the bytes",
    "from_bytes": "from_bytes, with the bytes, no weights before",
    "save_checkpoint": "save_checkpoint, of the model only",
    "load_checkpoint": "load_checkpoint, of the model only, no weights before",
    "load_checkpoint again": "load_checkpoint, of the model only, over other weights",
    "save_checkpoint trained": "save_checkpoint, of model and Adam (5 times the model: see below)",
    "load_checkpoint trained": "load_checkpoint, over the same",
}
WRITES = ("to_disk", "to_bytes", "save_checkpoint")
LAYERS = 4


def build(api: Any, width: int, *, weights: bool) -> Any:
    """The model, of either library."""
    model = api.chain(*(api.Linear(width, width) for _ in range(LAYERS)))
    if weights:
        for layer in model.layers:
            layer.set_param("W", np.ones((width, width), dtype="f"))
            layer.set_param("b", np.ones(width, dtype="f"))
    return model


def train(api: Any, model: Any) -> Any:
    """One step: now there are gradients, two moments and an average for each weight."""
    optimizer = api.Adam(0.001)
    Y, backprop = model.begin_update(np.ones((2, model.layers[0].get_dim("nI")), dtype="f"))
    backprop(Y)
    model.finish_update(optimizer)
    return optimizer


def resident(what: str) -> int:
    """VmRSS or VmHWM, in bytes."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("needs Linux's /proc/self/status")
    return int(found[1]) * 1024


def measure(package: str, action: str, width: int, folder: Path) -> float:
    """The peak of one action, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api: Any = importlib.import_module(f"{package}.api")
    call, _, how = action.partition(" ")
    if how == "trained" and call != "step":
        # A kernel that this process had to compile would count as well, with 10 MB.
        one(package, "step trained", width, str(folder))
    small = build(api, 8, weights=True)
    small.from_bytes(build(api, 8, weights=True).to_bytes())  # what is imported late
    if how == "trained":
        train(api, small)
    before = resident("VmRSS")
    path = folder / f"{call.partition('_')[2]} {how if how == 'trained' else ''}"
    model = build(api, width, weights=bool(how) or call in WRITES)
    optimizer = [train(api, model)] if how == "trained" else []
    if call == "step":
        return 0.0
    data = (folder / "disk ").read_bytes() if call == "from_bytes" else b""
    Path("/proc/self/clear_refs").write_text("5")
    if call == "to_bytes":
        data = model.to_bytes()
    elif call == "from_bytes":
        model.from_bytes(data)
    elif call in ("to_disk", "from_disk"):
        getattr(model, call)(path)
    else:
        getattr(api, call)(path, model, *optimizer)
    return (resident("VmHWM") - before) / (4.0 * LAYERS * width * (width + 1))


def main() -> None:
    """Print the table, or one figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=3500, help="of four linear layers; 3500 makes 196 MB")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        package, action, folder = arguments.one
        print(measure(package, action, arguments.width, Path(folder)))
        return
    packages = ["thinc_nb", *(["thinc"] if importlib.util.find_spec("thinc") else [])]
    print(f"| {4e-6 * LAYERS * arguments.width * (arguments.width + 1):.0f} MB | {' | '.join(packages)} |")
    print("|---" * (1 + len(packages)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for action, title in ACTIONS.items():
            row = [
                "–" if package == "thinc" and "checkpoint" in action else one(package, action, arguments.width, folder)
                for package in packages
            ]
            print(f"| {title} | {' | '.join(row)} |", flush=True)


def one(package: str, action: str, width: int, folder: str) -> str:
    """The peak of one action, in a process of its own."""
    command = [sys.executable, __file__, "--width", str(width), "--one", package, action, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"{float(done.stdout):.2f}"


if __name__ == "__main__":
    main()
