"""Trains small spaCy pipelines, and says what came out. Run by test_pipelines.py, in processes of its own.

    python pipelines.py train FOLDER (ours | theirs) [NAME ...]
    python pipelines.py load FOLDER (ours | theirs) [NAME ...]
    python pipelines.py score FOLDER (ours | theirs) [NAME ...]

`ours` has thinc_nb in the place of Thinc. `train` trains each pipeline for one epoch without dropout, saves it as
FOLDER/NAME and writes its losses and predictions to FOLDER/NAME.json; `load` loads each and prints its predictions;
`score` trains with dropout from five seeds and prints the scores.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__" and sys.argv[3] == "ours":
    import thinc_nb

    thinc_nb.install_as_thinc()

import spacy
from spacy.tokens import Doc, SpanGroup
from spacy.training import Example
from thinc.api import LSTM, Model, NumpyOps, fix_random_seed, with_padded

NOUNS = ["cat", "dog", "house", "tree", "river", "Paris", "Berlin", "Anna"]
VERBS = {"sees": "see", "likes": "like", "finds": "find", "leaves": "leave"}
ADJECTIVES = ["old", "green", "small", "quick"]
ENTITIES = {"Paris": "GPE", "Berlin": "GPE", "Anna": "PERSON"}


def numpy_mask(ops: NumpyOps, shape: tuple[int, ...], drop: float | None) -> Any:
    """One mask for both: the parser drops a tenth of its states whatever the rate that it is trained with."""
    if not drop:
        return ops.xp.ones(shape, dtype="f")
    kept = ops.xp.random.uniform(0.0, 1.0, shape) >= drop
    return (kept / (1.0 - drop)).astype("f")


@spacy.registry.architectures("test.LSTMEncoder.v1")
def lstm_encoder(width: int, depth: int) -> Model[Any, Any]:
    return with_padded(LSTM(nO=width, nI=width, bi=True, depth=depth))


def sentence(rng: random.Random) -> dict[str, Any]:
    """Words with their tags, morphology, lemmas, heads and dependencies: the ADJ noun VERB the noun."""
    words, tags, heads, deps, lemmas = [], [], [], [], []

    def phrase(head: int, dep: str) -> None:
        start = len(words)
        parts = ["the", *rng.sample(ADJECTIVES, rng.randint(0, 2)), rng.choice(NOUNS)]
        noun = start + len(parts) - 1
        for word in parts[:-1]:
            words.append(word)
            tags.append("DT" if word == "the" else "JJ")
            heads.append(noun)
            deps.append("det" if word == "the" else "amod")
        words.append(parts[-1])
        tags.append("NNP" if parts[-1] in ENTITIES else "NN")
        heads.append(noun if head < 0 else head)
        deps.append(dep)
        lemmas.extend(parts)

    phrase(-1, "nsubj")
    verb, subject = len(words), len(words) - 1
    form = rng.choice(sorted(VERBS))
    words.append(form)
    tags.append("VBZ")
    heads.append(verb)
    deps.append("ROOT")
    lemmas.append(VERBS[form])
    heads[subject] = verb
    phrase(verb, "dobj")
    return {
        "words": words,
        "tags": tags,
        "morphs": ["Number=Sing" if tag.startswith("N") else "Tense=Pres" if tag == "VBZ" else "" for tag in tags],
        "pos": ["NOUN" if tag.startswith("N") else "VERB" if tag == "VBZ" else "X" for tag in tags],
        "heads": heads,
        "deps": deps,
        "lemmas": lemmas,
    }


def examples(nlp: Any, count: int = 48, seed: int = 0) -> list[Example]:
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        parts = [sentence(rng) for _ in range(rng.randint(1, 2))]
        fields: dict[str, list[Any]] = {name: [] for name in parts[0]}
        starts = []
        for part in parts:
            offset = len(fields["words"])
            starts += [True] + [False] * (len(part["words"]) - 1)
            for name, values in part.items():
                fields[name] += [v + offset for v in values] if name == "heads" else values
        doc = Doc(
            nlp.vocab,
            words=fields["words"],
            tags=fields["tags"],
            morphs=fields["morphs"],
            pos=fields["pos"],
            heads=fields["heads"],
            deps=fields["deps"],
            lemmas=fields["lemmas"],
            ents=[f"B-{ENTITIES[word]}" if word in ENTITIES else "O" for word in fields["words"]],
        )
        old = "old" in fields["words"]
        doc.cats = {"old": float(old), "new": float(not old)}
        doc.spans["sc"] = SpanGroup(doc, name="sc", spans=list(doc.ents))
        made.append(Example(Doc(nlp.vocab, words=fields["words"]), doc))
    return made


WIDTH = 32
HASHED = {
    "@architectures": "spacy.MultiHashEmbed.v2",
    "width": WIDTH,
    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
    "rows": [500, 100, 100, 100],
    "include_static_vectors": False,
}
CHARACTERS = {
    "@architectures": "spacy.CharacterEmbed.v2",
    "width": WIDTH,
    "rows": 500,
    "nM": 16,
    "nC": 4,
    "include_static_vectors": False,
    "feature": "LOWER",
}
CNN = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "width": WIDTH,
    "depth": 2,
    "embed_size": 300,
    "window_size": 1,
    "maxout_pieces": 3,
    "subword_features": True,
    "pretrained_vectors": None,
}
MISH = {"@architectures": "spacy.MishWindowEncoder.v2", "width": WIDTH, "depth": 2, "window_size": 1}
MAXOUT = {
    "@architectures": "spacy.MaxoutWindowEncoder.v2",
    "width": WIDTH,
    "depth": 2,
    "window_size": 1,
    "maxout_pieces": 3,
}
BILSTM = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": WIDTH, "depth": 1, "dropout": 0.0}
LSTM_ENCODER = {"@architectures": "test.LSTMEncoder.v1", "width": WIDTH, "depth": 1}
BOW = {
    "@architectures": "spacy.TextCatBOW.v3",
    "exclusive_classes": True,
    "ngram_size": 2,
    "no_output_layer": False,
    "length": 5000,
}


def tok2vec(embed: Any, encode: Any) -> dict[str, Any]:
    return {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}


def tagger(vectors: Any) -> dict[str, Any]:
    return {"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": vectors}}


def parser(vectors: Any, state: str) -> dict[str, Any]:
    return {
        "model": {
            "@architectures": "spacy.TransitionBasedParser.v2",
            "state_type": state,
            "extra_state_tokens": False,
            "hidden_width": 32,
            "maxout_pieces": 2,
            "use_upper": True,
            "tok2vec": vectors,
        }
    }


LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": WIDTH, "upstream": "*"}
REDUCE = {
    "@architectures": "spacy.TextCatReduce.v1",
    "exclusive_classes": True,
    "use_reduce_first": True,
    "use_reduce_last": True,
    "use_reduce_max": True,
    "use_reduce_mean": True,
    "tok2vec": CNN,
}
PIPELINES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "tagger-cnn": [("tagger", tagger(CNN))],
    "tagger-multihash-mish": [("tagger", tagger(tok2vec(HASHED, MISH)))],
    "tagger-characters": [("tagger", tagger(tok2vec(CHARACTERS, MAXOUT)))],
    "tagger-bilstm": [("tagger", tagger(tok2vec(HASHED, BILSTM)))],
    "tagger-lstm": [("tagger", tagger(tok2vec(HASHED, LSTM_ENCODER)))],
    "morphologizer": [("morphologizer", tagger(CNN))],
    "senter": [("senter", tagger(CNN))],
    "lemmatizer": [("trainable_lemmatizer", {**tagger(CNN), "min_tree_freq": 1})],
    "textcat-bow": [("textcat", {"model": BOW})],
    "textcat-cnn": [
        ("textcat", {"model": {"@architectures": "spacy.TextCatCNN.v2", "exclusive_classes": True, "tok2vec": CNN}})
    ],
    "textcat-reduce": [("textcat", {"model": REDUCE})],
    "textcat-ensemble": [
        (
            "textcat",
            {"model": {"@architectures": "spacy.TextCatEnsemble.v2", "linear_model": BOW, "tok2vec": CNN}},
        )
    ],
    "textcat-multilabel": [("textcat_multilabel", {"model": {**BOW, "exclusive_classes": False}})],
    "spancat": [
        (
            "spancat",
            {
                "model": {
                    "@architectures": "spacy.SpanCategorizer.v1",
                    "tok2vec": CNN,
                    "reducer": {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 32},
                    "scorer": {"@layers": "spacy.LinearLogistic.v1"},
                }
            },
        )
    ],
    "parser": [("parser", parser(CNN, "parser"))],
    "ner": [("ner", parser(CNN, "ner"))],
    "shared": [
        ("tok2vec", {"model": tok2vec(HASHED, MAXOUT)}),
        ("tagger", tagger(LISTENER)),
        ("parser", parser(LISTENER, "parser")),
        ("ner", parser(LISTENER, "ner")),
    ],
}


def trained(name: str, *, drop: float, epochs: int, seed: int) -> tuple[Any, list[dict[str, float]]]:
    """The pipeline, and the losses of each epoch."""
    fix_random_seed(seed)
    nlp = spacy.blank("en")
    for component, config in PIPELINES[name]:
        nlp.add_pipe(component, config=config)
    data = examples(nlp)
    optimizer = nlp.initialize(lambda: data)
    per_epoch = []
    for _ in range(epochs):
        losses: dict[str, float] = {}
        for start in range(0, len(data), 8):
            nlp.update(data[start : start + 8], drop=drop, sgd=optimizer, losses=losses)
        per_epoch.append({key: float(value) for key, value in losses.items()})
    return nlp, per_epoch


def train(name: str, folder: Path) -> None:
    NumpyOps.get_dropout_mask = numpy_mask
    nlp, losses = trained(name, drop=0.0, epochs=1, seed=0)
    nlp.to_disk(folder / name)
    outcome = {"losses": losses, "predictions": predictions(nlp), "scores": scores(nlp)}
    (folder / f"{name}.json").write_text(json.dumps(outcome))


def scores(nlp: Any) -> dict[str, float]:
    """On other sentences of the same kind."""
    found = nlp.evaluate(examples(nlp, 60, 1))
    return {key: value for key, value in found.items() if isinstance(value, float) and key != "speed"}


def predictions(nlp: Any) -> list[Any]:
    found = []
    for example in examples(nlp, 12, 2):
        doc = nlp(example.predicted)
        found.append(
            [
                [[t.tag_, t.pos_, str(t.morph), t.lemma_, t.dep_, t.head.i, t.is_sent_start, t.ent_type_] for t in doc],
                {key: round(value, 4) for key, value in doc.cats.items()},
                [[span.start, span.end, span.label_] for group in doc.spans.values() for span in group],
            ]
        )
    return found


def main(action: str, folder: str, side: str, *names: str) -> None:
    for name in names or PIPELINES:
        if action == "train":
            train(name, Path(folder))
        elif action == "score":
            epochs = 12 if name == "ner" else 4
            runs = [scores(trained(name, drop=0.2, epochs=epochs, seed=seed)[0]) for seed in range(5)]
            print(json.dumps({name: runs}), flush=True)
        else:
            print(json.dumps({name: predictions(spacy.load(Path(folder, name)))}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
