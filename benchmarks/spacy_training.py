"""Speed and memory of `spacy train` on thinc_nb and on spaCy's own Thinc, process by process in turn.

    python benchmarks/spacy_training.py --train train.conllu.gz --dev dev.conllu.gz [--rounds 5] [--only tagger,parser]

Run it with a Python that has spaCy and thinc_nb. Each pipeline has the config that `spacy init config` writes for
efficiency, except that it trains for a given number of steps and is evaluated on a handful of sentences only; their
time counts. Named entities are runs of proper nouns; the classes of the text classifier are questions and the rest. A
first run of each, not counted, compiles kernels and fills caches.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOGGER = """
import json, resource, time
import spacy

@spacy.registry.loggers("words_a_second.v1")
def make():
    def setup(nlp, stdout, stderr):
        seen = []
        def step(info):
            if info is not None:
                seen.append((info["words"], time.perf_counter(), info["score"]))
        def finish():
            (first, start, _), (last, end, score) = seen[0], seen[-1]
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print("RESULT " + json.dumps([(last - first) / (end - start), memory, score]), flush=True)
        return step, finish
    return setup
"""
PIPELINES = {
    "tagger": ["tagger"],
    "parser": ["parser"],
    "ner": ["ner"],
    "tagger+parser+ner": ["tok2vec", "tagger", "parser", "ner"],
    "textcat": ["textcat"],
}


def sentences(path: Path) -> Iterator[dict[str, list[Any]]]:
    """The sentences of a CoNLL-U file, as arguments of a spaCy `Doc`."""
    opener = gzip.open if path.suffix == ".gz" else open
    rows: list[list[str]] = []
    with opener(path, "rt", encoding="utf8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if len(fields) == 10 and fields[0].isdigit():
                rows.append(fields)
            elif rows and not line.strip():
                yield fields_of(rows)
                rows = []


def fields_of(rows: list[list[str]]) -> dict[str, list[Any]]:
    """One sentence: words, tags, heads and dependencies, and runs of proper nouns as entities."""
    entities, inside = [], False
    for row in rows:
        proper = row[3] == "PROPN"
        entities.append(("I-NAME" if inside else "B-NAME") if proper else "O")
        inside = proper
    return {
        "words": [row[1] for row in rows],
        "tags": [row[4] for row in rows],
        "heads": [i if row[6] == "0" else int(row[6]) - 1 for i, row in enumerate(rows)],
        "deps": ["ROOT" if row[6] == "0" else row[7] for row in rows],
        "ents": entities,
    }


def write_corpus(path: Path, out: Path, most: int) -> None:
    """A .spacy file of the first sentences."""
    import spacy
    from spacy.tokens import Doc, DocBin

    nlp = spacy.blank("en")
    store = DocBin(store_user_data=False)
    for count, fields in enumerate(sentences(path)):
        if count == most:
            break
        doc = Doc(nlp.vocab, **fields)
        asks = fields["words"][-1] == "?"
        doc.cats = {"question": float(asks), "other": float(not asks)}
        store.add(doc)
    store.to_disk(out)


def write_config(path: Path, components: list[str], folder: Path, steps: int) -> None:
    """The config of `spacy init config`, for so many steps."""
    from spacy.cli.init_config import init_config

    config = init_config(lang="en", pipeline=[name for name in components if name != "tok2vec"], optimize="efficiency")
    config["paths"].update(train=str(folder / "train.spacy"), dev=str(folder / "dev.spacy"))
    config["training"].update(max_steps=steps, max_epochs=0, eval_frequency=steps, patience=0)
    config["training"]["logger"] = {"@loggers": "words_a_second.v1"}
    config.to_disk(path)


def run(config: Path, folder: Path, on_us: bool) -> tuple[float, float, float]:
    """Words a second, peak memory in MB, score."""
    through = ["-m", "thinc_nb.as_thinc"] if on_us else []
    command = [sys.executable, "-W", "ignore", *through, "-m", "spacy", "train", str(config)]
    command += ["--code", str(folder / "logger.py"), "--output", str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode != 0 or not results:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    speed, memory, score = json.loads(results[-1].removeprefix("RESULT "))
    return speed, memory, score


def main() -> None:
    """Parse the command line, run both sides in turn, print the table."""
    parser = argparse.ArgumentParser(description="spacy train on thinc_nb and on Thinc")
    parser.add_argument("--train", type=Path, required=True, help="CoNLL-U, may be compressed")
    parser.add_argument("--dev", type=Path, required=True, help="CoNLL-U, may be compressed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--only", default=",".join(PIPELINES), help="names of pipelines, with commas between")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "logger.py").write_text(LOGGER)
        write_corpus(options.train, folder / "train.spacy", options.sentences)
        write_corpus(options.dev, folder / "dev.spacy", 20)
        print("| pipeline | Thinc, words/s | thinc_nb, words/s | ratio | Thinc, MB | thinc_nb, MB |")
        print("|---|---|---|---|---|---|")
        for pipeline in options.only.split(","):
            config = folder / f"{pipeline}.cfg"
            write_config(config, PIPELINES[pipeline], folder, options.steps)
            sides: dict[bool, list[tuple[float, float, float]]] = {False: [], True: []}
            for each in range(options.rounds + 1):
                for on_us, runs in sides.items():
                    outcome = run(config, folder, on_us)
                    if each:
                        runs.append(outcome)
            theirs, ours = ([statistics.median(values) for values in zip(*sides[side], strict=True)] for side in sides)
            print(
                f"| {pipeline} | {theirs[0]:,.0f} | {ours[0]:,.0f} | {ours[0] / theirs[0]:.2f} "
                f"| {theirs[1]:,.0f} | {ours[1]:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
