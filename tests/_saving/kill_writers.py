"""Kills processes while they write a file, and says what is left: a program of its own, because it forks."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from thinc_nb._saving.files import write_atomically

SIZE = 200_000


def write_for_ever(path: Path) -> None:
    version = 0
    while True:
        version = (version + 1) % 256
        write_atomically(path, (bytes([version]) * (SIZE // 10) for _ in range(10)))


def main(path: Path, kills: int) -> None:
    path.write_bytes(bytes(SIZE))
    chance = random.Random(3)
    broken = 0
    versions = set()
    left_behind = False
    for _ in range(kills):
        process = os.fork()
        if process == 0:
            write_for_ever(path)
        # Mostly within the first write; at times long enough for some, also on a disk that is busy.
        time.sleep(chance.uniform(0.001, chance.choice((0.012, 0.012, 0.012, 0.1))))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        data = path.read_bytes()
        broken += len(data) != SIZE or len(set(data)) != 1
        versions.add(data[:1])
        left_behind |= len(list(path.parent.iterdir())) > 1  # until the next writer comes
    write_atomically(path, b"the last one")
    print(broken, "broken;", len(versions) > 1, left_behind, [each.name for each in path.parent.iterdir()])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
