"""What is checked at the boundary of a layer, and what errors say of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from thinc_nb import api
from thinc_nb.api import Linear, Model, NumpyOps, Padded, Ragged, Relu, Softmax, chain, with_array
from thinc_nb.contracts import contracts
from thinc_nb.errors import ContractError, InputError
from thinc_nb.types import Floats2d, Ints1d

F = np.zeros((3, 4), dtype="f")
LENGTHS = np.array([2, 1], dtype="i")
RAGGED = Ragged(F, LENGTHS)
PADDED = NumpyOps().list2padded([F[:2], F[2:]])

Forward = Callable[[Any, Any, bool], Any]


def giving(Y: Any, dX: Any = None, name: str = "mine", **dims: int) -> Model[Any, Any]:
    """A layer from Floats2d to Floats2d that gives whatever it is told to."""

    def forward(model: Any, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
        return Y, lambda dY: F if dX is None else dX

    return Model(name, forward, dims=dims)


def passing(**dims: int) -> Model[Any, Any]:
    """A layer without annotations that gives what it takes."""
    return Model("passing", lambda model, X, is_train: (X, lambda dY: dY), dims=dims)


def typed(kind: Any) -> Model[Any, Any]:
    """A layer that says what it takes and gives, without the callback, and gives what it takes."""

    def forward(model, X, is_train):  # type: ignore[no-untyped-def]
        return X, lambda dY: dY

    forward.__annotations__ = {"X": kind, "return": tuple[kind, Callable]}
    return Model("typed", forward)


def message(run: Callable[[], Any]) -> str:
    with pytest.raises(ContractError) as caught:
        run()
    return str(caught.value)


MODEL = chain(Relu(5, 4), with_array(chain(Linear(6, 5), Linear(7, 6))), Softmax(2, 7)).initialize()
PATH = "'relu>>with_array(linear>>linear)>>softmax' -> "

# What is run, what is said. Each line is what a person reads.
SAID: dict[str, tuple[Callable[[], Any], str]] = {
    "width": (
        lambda: MODEL.predict(F[:, :3]),
        PATH + "layers[0] 'relu': layer 'relu' expects width 4 (nI) of input X, got float32 (3, 3)\n"
        "  hint: nI=3 fits, and left out, initialize(X=...) infers it",
    ),
    "width inside": (
        lambda: chain(Relu(5, 4), Linear(3, 6)).initialize().predict(F),
        (
            "'relu>>linear' -> layers[1] 'linear': layer 'linear' expects width 6 (nI) of input X, got float32 (3, 5)\n"
            "  hint: nI=5 fits, and left out, initialize(X=...) infers it"
        ),
    ),
    "dtype": (
        lambda: MODEL.predict(F.astype("float64")),
        PATH + "layers[0] 'relu': layer 'relu' expects float32, the dtype of its weights, as input X, "
        "got float64 (3, 4)\n  hint: convert it, X.astype('float32')",
    ),
    "kind": (
        lambda: MODEL.predict(F.astype("int32")),
        PATH + "layers[0] 'relu': layer 'relu' expects Floats2d as input X, got int32 (3, 4): it is int32, not floats\n"
        "  hint: integers are ids to a layer: put Embed(...) or HashEmbed(...) before it, or convert them to floats",
    ),
    "rank": (
        lambda: MODEL.predict(F[0]),
        PATH
        + "layers[0] 'relu': layer 'relu' expects Floats2d as input X, got float32 (4,): it has 1 dimension, not 2\n"
        "  hint: give it a second dimension, X.reshape((1, -1)) for one row, X.reshape((-1, 1)) for one column",
    ),
    "list for array": (
        lambda: MODEL.predict([F]),
        PATH + "layers[0] 'relu': layer 'relu' expects Floats2d as input X, got a list of 1, the first float32 (3, 4): "
        "it is not an array\n  hint: wrap the layer in with_array(...), or join the list with list2array()",
    ),
    "array for Ragged": (
        lambda: api.reduce_mean().predict(F),
        (
            "layer 'reduce_mean' expects Ragged as input X, got float32 (3, 4): it is not a Ragged\n"
            "  hint: the sequences' lengths are lost here: keep them, with with_array(...) around earlier layers"
        ),
    ),
    "list for Ragged": (
        lambda: api.reduce_mean().predict([F]),
        (
            "layer 'reduce_mean' expects Ragged as input X, got a list of 1, the first float32 (3, 4): "
            "it is not a Ragged\n  hint: put list2ragged() between them"
        ),
    ),
    "floats for ids": (
        lambda: api.Embed(3, 9).initialize().predict(F[0]),
        (
            "layer 'embed' expects IntsXd as input X, got float32 (4,): it is float32, not integers of 32 or 64 bits\n"
            "  hint: the layer looks up ids: give it integers"
        ),
    ),
    "item of a list": (
        lambda: api.list2ragged().predict([F, F, 3]),
        (
            "layer 'list2ragged' expects list[ArrayXd] as input X, got a list of 3, the first float32 (3, 4), "
            "at position 2 an int: item 2 is not an array"
        ),
    ),
    "pair for output": (
        lambda: MODEL.predict(MODEL.begin_update(F)),
        PATH
        + "layers[0] 'relu': layer 'relu' expects Floats2d as input X, got a tuple of 2, the first float32 (3, 2), "
        "at position 1 a function: it is not an array\n"
        "  hint: this is the pair of output and callback that begin_update returns: unpack it, Y, backprop = ...",
    ),
    "Ragged": (
        lambda: api.reduce_sum().predict(Ragged(F, LENGTHS[:1])),
        (
            "layer 'reduce_sum' expects Ragged as input X, got a Ragged of 1 sequences with data float32 (3, 4): "
            "it has lengths that add up to 2, but 3 rows of data"
        ),
    ),
    "Ragged without annotation": (
        lambda: passing().predict(Ragged(F, LENGTHS[:1])),
        (
            "layer 'passing' expects Ragged as input X, got a Ragged of 1 sequences with data float32 (3, 4): "
            "it has lengths that add up to 2, but 3 rows of data"
        ),
    ),
    "Padded": (
        lambda: passing().predict(Padded(PADDED.data, PADDED.size_at_t, PADDED.lengths[:1], PADDED.indices)),
        (
            "layer 'passing' expects Padded as input X, got a Padded of 1 sequences with data float32 (2, 2, 4): "
            "it has data of 2 steps and 2 sequences, but 1 lengths"
        ),
    ),
    "Padded's sizes": (
        lambda: passing().predict(Padded(PADDED.data, PADDED.size_at_t + 1, PADDED.lengths, PADDED.indices)),
        (
            "layer 'passing' expects Padded as input X, got a Padded of 2 sequences with data float32 (2, 2, 4): "
            "it has lengths that add up to 3, but size_at_t to 5"
        ),
    ),
    "output": (
        lambda: chain(passing(), giving([F])).predict(F),
        (
            "'passing>>mine' -> layers[1] 'mine': layer 'mine' promises Floats2d as output Y, "
            "got a list of 1, the first float32 (3, 4): it is not an array\n"
            "  hint: wrap the layer in with_array(...), or join the list with list2array()"
        ),
    ),
    "dtype of the output": (
        lambda: giving(F.astype("float64")).predict(F),
        (
            "layer 'mine' promises Floats2d as output Y, got float64 (3, 4): it is float64, not float32\n"
            "  hint: convert it, Y.astype('float32')"
        ),
    ),
    "width of the output": (
        lambda: giving(F, nO=5).predict(F),
        "layer 'mine' promises width 5 (nO) of output Y, got float32 (3, 4)",
    ),
    "no pair": (
        lambda: Model("bare", lambda model, X, is_train: X).predict(F),
        (
            "layer 'bare' promises the pair (Y, backprop), got float32 (3, 4)\n"
            "  hint: forward returns its output and a function from dY to dX"
        ),
    ),
    "no callback": (
        lambda: Model("bare", lambda model, X, is_train: (X, X)).begin_update(F),
        "layer 'bare' promises a callback beside Y, got float32 (3, 4)",
    ),
    "gradient's rows": (
        lambda: MODEL.begin_update(F)[1](F[:2, :2]),
        (
            PATH + "layers[2] 'softmax': layer 'softmax' expects float32 (3, 2), like Y, as gradient dY, "
            "got float32 (2, 2)"
        ),
    ),
    "gradient's dtype": (
        lambda: MODEL.begin_update(F)[1](np.zeros((3, 2))),
        (
            PATH + "layers[2] 'softmax': layer 'softmax' expects float32 (3, 2), like Y, as gradient dY, "
            "got float64 (3, 2)\n  hint: convert it, dY.astype('float32')"
        ),
    ),
    "gradient is None": (
        lambda: MODEL.begin_update(F)[1](None),
        PATH + "layers[2] 'softmax': layer 'softmax' expects Floats2d as gradient dY, got None: it is not an array",
    ),
    "gradient of the input": (
        lambda: chain(Relu(5, 4).initialize(), giving(F, dX=F)).begin_update(F)[1](F),
        (
            "'relu>>mine' -> layers[1] 'mine': layer 'mine' promises float32 (3, 5), like X, as gradient dX, "
            "got float32 (3, 4)"
        ),
    ),
    "gradient of a list": (
        lambda: typed(list[Floats2d]).begin_update([F, F])[1]([F]),
        (
            "layer 'typed' expects a list of 2, the first float32 (3, 4), like Y, as gradient dY, "
            "got a list of 1, the first float32 (3, 4)"
        ),
    ),
    "gradient of a Ragged": (
        lambda: typed(Ragged).begin_update(RAGGED)[1](Ragged(F, LENGTHS[::-1])),
        (
            "layer 'typed' expects the lengths of Y of gradient dY, got a Ragged of 2 sequences with data "
            "float32 (3, 4): it has others"
        ),
    ),
    "gradients of a list in another order": (
        lambda: (
            with_array(Relu(5, 4))
            .initialize()
            .begin_update([F[:2], F])[1]([np.zeros((3, 5), "f"), np.zeros((2, 5), "f")])
        ),
        "layer 'with_array(relu)' expects float32 (2, 5), like Y, as gradient dY, got float32 (3, 5)",
    ),
    "array as gradient of a Ragged": (
        lambda: api.ParametricAttention(4).initialize().begin_update(RAGGED)[1](F),
        (
            "layer 'para-attn' expects a Ragged of 2 sequences with data float32 (3, 4), like Y, as gradient dY, "
            "got float32 (3, 4)"
        ),
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_said(case: str) -> None:
    run, said = SAID[case]
    assert message(run) == said


def test_contract_errors_are_input_errors() -> None:
    """Code that catches what layers say of bad input catches this as well."""
    assert issubclass(ContractError, InputError)
    assert issubclass(ContractError, TypeError)
    assert issubclass(ContractError, ValueError)


def test_the_path_leads_through_the_models_that_were_called() -> None:
    inner = chain(passing(), giving(3))
    said = message(lambda: chain(passing(), with_array(chain(passing(), inner))).predict(F))
    assert said.startswith(
        "'passing>>with_array(passing>>passing>>mine)' -> layers[1] 'with_array(passing>>passing>>mine)' -> "
        "layers[0] 'passing>>passing>>mine' -> layers[1] 'passing>>mine' -> layers[1] 'mine': layer 'mine' promises"
    )


def test_an_error_of_a_callback_says_which_layer_it_comes_from() -> None:
    def forward(model: Any, X: Any, is_train: bool) -> Any:
        def backprop(dY: Any) -> Any:
            raise KeyError("mine")

        return X, backprop

    _, backprop = chain(passing(), Model("raising", forward)).begin_update(F)
    with pytest.raises(KeyError) as caught:
        backprop(F)
    assert caught.value.__notes__ == ["In the layer 'passing>>raising' -> layers[1] 'raising'"]


@pytest.mark.parametrize(
    ("model", "X"),
    [
        (MODEL, F[:0]),
        (api.list2ragged(), []),
        (api.list2padded(), []),
        (chain(api.list2ragged(), with_array(Linear(3, 4)), api.reduce_mean()), [F[:0], F[:0]]),
        (chain(api.list2ragged(), with_array(Linear(3, 4)), api.reduce_mean()), []),
        (api.with_padded(api.LSTM(4, 4)), []),
        (api.Embed(3, 9), np.zeros(0, dtype="i")),
        (api.SparseLinear(2), (np.zeros(0, dtype="uint64"), np.zeros(0, dtype="f"), np.zeros(0, dtype="i"))),
        (chain(api.strings2arrays(), with_array(api.HashEmbed(4, 9, column=0))), []),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_empty_batches_pass(model: Model[Any, Any], X: Any) -> None:
    Y, backprop = model.initialize().begin_update(X)
    backprop(Y)


def test_a_layer_that_is_not_differentiable_may_return_nothing() -> None:
    def forward(model: Any, X: Floats2d, is_train: bool) -> tuple[Ints1d, Callable[[Any], Any]]:
        return X.argmax(axis=1), lambda dY: None

    layer: Model[Any, Any] = Model("argmax", forward)
    _, backprop = layer.begin_update(F)
    assert backprop(None) is None


def test_without_annotations_gradients_may_be_of_another_kind() -> None:
    """The callback of spaCy's PrecomputableAffine takes a pair for an array; others give an empty list for nothing."""
    _, backprop = Model("pair", lambda model, X, is_train: (X, lambda dY: dY[0])).begin_update(F)
    backprop((F, LENGTHS))
    _, backprop = Model("none", lambda model, X, is_train: (F, lambda dY: [])).begin_update([F, F])
    assert backprop(F) == []
    _, backprop = Model("table", lambda model, X, is_train: (X, lambda dY: dY[0])).begin_update(F)
    backprop(F[:2])


def test_callbacks_may_take_what_they_like() -> None:
    def forward(model: Any, X: Any, is_train: bool) -> Any:
        return object(), lambda *args, scale=1, **kwargs: (args, scale, kwargs)

    _, backprop = Model("free", forward).begin_update(["text"])
    assert backprop() == ((), 1, {})
    assert backprop(1, 2, scale=3, more=4) == ((1, 2), 3, {"more": 4})


def test_a_callback_may_be_called_more_than_once_and_by_other_threads() -> None:
    import threading

    Y, backprop = MODEL.begin_update(F)
    backprop(Y)
    wrong: list[str] = []

    def run() -> None:
        wrong.append(message(lambda: backprop(F)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "like Y, as gradient dY" in wrong[0]


def test_a_list_that_is_changed_after_the_call_does_not_matter() -> None:
    Xs = [F, F]
    _, backprop = Model("copy", lambda model, X, is_train: (list(X), lambda dY: list(dY))).begin_update(Xs)
    Xs.append(F)
    backprop([F, F])


def test_a_layer_used_twice_is_checked_both_times() -> None:
    shared = Linear(4, 4).initialize()
    model = chain(shared, shared)
    Y, backprop = model.begin_update(F)
    assert backprop(Y).shape == F.shape
    with pytest.raises(ContractError, match=r"layers\[0\] 'linear'"):
        model.predict(F[:, :2])


@pytest.mark.parametrize("axis", ["nI", "nO"])
def test_widths_of_what_has_no_width_are_not_checked(axis: str) -> None:
    for X in (F[0], F[None], F.astype("i"), [F[0]], (F, F), "text", Ragged(F[:, None], LENGTHS), F[:0, :0]):
        passing(**{axis: 99}).predict(X)
    for X in (F, [F], RAGGED, PADDED):
        with pytest.raises(ContractError, match=f"width 99 \\({axis}\\)"):
            passing(**{axis: 99}).predict(X)


@given(
    st.sampled_from(["float16", "float32", "float64", "int8", "int32", "int64", "uint32", "uint64", "bool"]),
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from(
        ["Floats1d", "Floats2d", "Floats3d", "FloatsXd", "Ints1d", "Ints2d", "IntsXd", "Array2d", "ArrayXd"]
    ),
)
@example("float16", [0, 0], "Floats1d")
def test_arrays_pass_when_they_are_instances(dtype: str, shape: list[int], kind: str) -> None:
    annotation = getattr(api, kind, None) or getattr(__import__("thinc_nb.types", fromlist=[kind]), kind)
    array = np.zeros(shape, dtype=dtype)

    def forward(model, X, is_train):  # type: ignore[no-untyped-def]
        return X, lambda dY: dY

    forward.__annotations__ = {"X": annotation}
    layer: Model[Any, Any] = Model("any", forward)
    # Of an empty batch that has lost its width, (0, 0), it is not known what it was.
    if isinstance(array, annotation) or shape == [0, 0]:
        layer.predict(array)
    else:
        with pytest.raises(ContractError, match=kind):
            layer.predict(array)


VALUES = st.recursive(
    st.sampled_from(
        [F, F[0], F.astype("i"), F.astype("d"), F[:0], RAGGED, Ragged(F, LENGTHS[:1]), PADDED, None, "a", 3]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=5,
)
ANNOTATIONS = st.recursive(
    st.sampled_from([Floats2d, Ints1d, Ragged, Padded, Any, int, str, None]),
    lambda inner: inner.map(lambda item: list[item]) | st.tuples(inner, inner).map(lambda items: tuple[items]),
    max_leaves=4,
)


@given(VALUES, ANNOTATIONS)
def test_what_the_predicate_accepts_typeguard_accepts(value: Any, annotation: Any) -> None:
    from thinc_nb.contracts._predicates import predicate_of
    from thinc_nb.contracts._types import complaint, prepared

    accepts = predicate_of(annotation)
    if accepts is not None and accepts(value):
        assert complaint(value, prepared(annotation), "f") is None


def test_arrays_of_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(np.ndarray):
        def get(self) -> Any:
            return np.asarray(self)

    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=OnGpu))  # type: ignore[arg-type]
    X = F.view(OnGpu)
    assert message(lambda: MODEL.predict(X)) == (
        PATH + "layers[0] 'relu': layer 'relu' expects an array on the CPU, where its weights are, as input X, "
        "got float32 (3, 4): it is on a GPU\n"
        "  hint: bring it there, model.ops.asarray(X), or move the model, to_cpu() or to_gpu(0)"
    )
    _, backprop = typed(Floats2d).begin_update(X)
    assert message(lambda: backprop(F)) == (
        "layer 'typed' expects float32 (3, 4), like Y, as gradient dY, got float32 (3, 4)\n"
        "  hint: Y is on a GPU, the gradient on the CPU"
    )

    def moving(model: Any, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
        return X.view(OnGpu), lambda dY: dY

    assert message(lambda: Model("moving", moving, params={"W": F}).predict(F)) == (
        "layer 'moving' promises an array on the CPU, where its weights are, as output Y, "
        "got float32 (3, 4): it is on a GPU\n  hint: give it with model.ops, whose arrays are where the weights are"
    )
    Ragged_on_gpu = Ragged(X, LENGTHS.view(OnGpu))
    Y, backprop = passing().begin_update(Ragged_on_gpu)
    backprop(Y)


def test_float64_models_keep_to_float64() -> None:
    model = chain(Relu(5, 4), Linear(3, 5)).initialize()
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float64"))
    Y, backprop = model.begin_update(F.astype("float64"))
    assert backprop(Y).dtype == np.float64
    with pytest.raises(ContractError, match="expects float64, the dtype of its weights"):
        model.predict(F)


def test_models_of_layers_that_only_run_others_leave_the_widths_to_them() -> None:
    with contracts(), pytest.raises(ContractError, match=r"layers\[0\] 'relu': .* expects width 4"):
        MODEL.predict(F[:, :1])
