"""Our models as modules of torch: gradients, shared memory, state, optimizers."""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import (
    LSTM,
    Dropout,
    Embed,
    LayerNorm,
    Linear,
    Maxout,
    Model,
    Padded,
    PyTorchWrapper,
    PyTorchWrapper_v2,
    Ragged,
    Relu,
    Softmax,
    as_torch_module,
    chain,
    clone,
    concatenate,
    expand_window,
    list2padded,
    list2ragged,
    noop,
    padded2list,
    reduce_mean,
    residual,
    tuplify,
    with_array,
)
from thinc_nb.errors import UnsetError

torch = pytest.importorskip("torch")


def network() -> Model[Any, Any]:
    np.random.seed(0)
    model = chain(Relu(8, 4), LayerNorm(8), Maxout(5, 8, nP=2), residual(Linear(5, 5)), Softmax(3, 5))
    model.initialize(X=np.zeros((2, 4), "f"))
    model.layers[-1].set_param("W", np.random.uniform(-1, 1, (3, 5)).astype("f"))
    return model


def double(model: Model[Any, Any]) -> Any:
    """The module in float64, whose parameters are drawn anew so that none is zero."""
    module = as_torch_module(model).double()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64) / 2)
    return module


def tensor(*shape: int) -> Any:
    torch.manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


# Gradients


def build_ragged() -> Model[Any, Any]:
    layers: list[Any] = [with_array(chain(expand_window(1), Linear(3, 12))), reduce_mean()]
    return chain(list2ragged(), *layers).initialize(X=[np.zeros((2, 4), "f")])


def flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in flat(item)]
    return [value.data if isinstance(value, (Ragged, Padded)) else value]


SEQUENCES = [tensor(2, 4), tensor(1, 4), tensor(3, 4)]
LENGTHS = np.array([2, 1, 3], dtype="int32")
# A model, tensors, and what the model takes, made of them.
CASES: dict[str, tuple[Callable[[], Model[Any, Any]], list[Any], Callable[..., Any]]] = {
    "array": (network, [tensor(6, 4)], lambda X: X),
    "array that is not contiguous": (network, [tensor(4, 6)], lambda X: X.T),
    "list": (build_ragged, SEQUENCES, lambda *X: list(X)),
    "list to list": (lambda: with_array(Linear(3, 4)).initialize(), SEQUENCES, lambda *X: list(X)),
    "Ragged": (
        lambda: with_array(Linear(3, 4)).initialize(),
        [tensor(6, 4)],
        lambda X: Ragged(X, torch.from_numpy(LENGTHS)),
    ),
    "lstm": (
        lambda: chain(list2padded(), LSTM(6, 4, bi=True), padded2list()).initialize(),
        SEQUENCES,
        lambda *X: list(X),
    ),
    "tuple": (lambda: tuplify(Linear(3, 4), Linear(2, 4)).initialize(), [tensor(5, 4)], lambda X: X),
    "concatenate": (lambda: concatenate(Linear(3, 4), Linear(2, 4)).initialize(), [tensor(5, 4)], lambda X: X),
    "shared layers": (
        lambda: chain(*[Linear(4, 4)] * 2).initialize(),
        [tensor(5, 4)],
        lambda X: X,
    ),
    "empty batch": (network, [tensor(0, 4)], lambda X: X),
}


@pytest.mark.filterwarnings("ignore:Input .*requires gradient and is not a double:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    build, tensors, arrange = CASES[name]
    module = double(build())
    parameters = [p for n, p in module.named_parameters() if not n.endswith("HC0")]

    def run(*inputs: Any) -> Any:
        return tuple(flat(module(arrange(*inputs[: len(tensors)]))))

    assert torch.autograd.gradcheck(run, (*tensors, *parameters))


@pytest.mark.parametrize("wrap", [lambda layer: layer, with_array])
def test_a_softmax_at_the_end_has_the_gradient_of_its_probabilities(wrap: Any) -> None:
    module = double(wrap(chain(Linear(5, 4), Softmax(3, 5))).initialize())
    X = tensor(6, 4)
    assert torch.autograd.gradcheck(lambda X, *parameters: module(X), (X, *module.parameters()))
    W, b, W2, b2 = (p.detach().clone().requires_grad_() for p in module.parameters())
    classes = torch.tensor([0, 1, 2, 0, 1, 2])
    torch.nn.functional.nll_loss(module(X).log(), classes).backward()
    torch.nn.functional.cross_entropy((X @ W.T + b) @ W2.T + b2, classes).backward()
    for mine, theirs in zip(module.parameters(), (W, b, W2, b2), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def test_a_softmax_inside_is_warned_about() -> None:
    with pytest.warns(UserWarning, match="there is a Softmax inside 'softmax>>linear'"):
        as_torch_module(chain(Softmax(3, 4), Linear(2, 3)).initialize())


def test_ids_have_no_gradient_but_their_table_has() -> None:
    model: Model[Any, Any] = chain(Embed(3, 7), Linear(2, 3)).initialize()
    module = double(model)
    ids = torch.tensor([[1], [6], [1]], dtype=torch.int32)
    table = model.layers[0].get_param("E")

    def run(E: Any, *rest: Any) -> Any:
        return module(ids.reshape(-1))

    assert torch.autograd.gradcheck(run, tuple(module.parameters()))
    module(ids.reshape(-1)).sum().backward()
    gradient = dict(module.named_parameters())["layers.0.E"].grad
    assert gradient.shape == table.shape
    assert (gradient.abs().sum(1) > 0).tolist() == [i in (1, 6) for i in range(7)]


def test_it_is_one_step_among_others_of_a_torch_program() -> None:
    torch.manual_seed(0)
    ours = as_torch_module(network())
    net = torch.nn.Sequential(torch.nn.Linear(2, 4), ours, torch.nn.Linear(3, 1))
    X = torch.randn(5, 2)
    net(X).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net[0].parameters())
    assert list(net.state_dict())[2:4] == ["1.layers.0.W", "1.layers.0.b"]


def test_gradients_add_up_and_the_models_own_are_left_alone() -> None:
    model = network()
    module = as_torch_module(model)
    X = torch.randn(5, 4)
    model.layers[0].set_grad("b", np.full(8, 7, dtype="f"))
    module(X)[:, 0].sum().backward()
    once = [p.grad.clone() for p in module.parameters()]
    module(X)[:, 0].sum().backward()
    for gradient, p in zip(once, module.parameters(), strict=True):
        torch.testing.assert_close(p.grad, 2 * gradient)
    assert model.layers[0].get_grad("b").tolist() == [7] * 8
    assert model.layers[0].has_grad("W") is not True


def test_parameters_that_are_frozen_get_no_gradient() -> None:
    module = as_torch_module(network())
    for p in module.layers[0].parameters():
        p.requires_grad_(False)
    module(torch.randn(5, 4))[:, 0].sum().backward()
    assert all(p.grad is None for p in module.layers[0].parameters())
    assert all(p.grad is not None for p in module.layers[4].parameters())
    for p in module.parameters():
        p.requires_grad_(False)
    assert not module(torch.randn(5, 4)).requires_grad


def test_outputs_that_do_not_matter_have_zero_gradients() -> None:
    module = as_torch_module(tuplify(Linear(3, 4), Linear(2, 4)).initialize())
    first, second = module(torch.ones(5, 4))
    assert (first.shape, second.shape) == ((5, 3), (5, 2))
    first.sum().backward()
    assert module.layers[0].W.grad.abs().sum() > 0
    assert not module.layers[1].W.grad.any()


def test_what_torch_cannot_do_is_its_own_error() -> None:
    module = as_torch_module(network())
    X = torch.randn(5, 4, requires_grad=True)
    Y = module(X)[:, 0].sum()
    with torch.no_grad():
        module.layers[0].W.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        Y.backward()
    Y = module(X)[:, 0].sum()
    Y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        Y.backward()
    (dX,) = torch.autograd.grad(module(X).square().sum(), X, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dX.sum().backward()


def test_errors_of_the_model_come_through() -> None:
    module = as_torch_module(network())
    with pytest.raises(ValueError, match=r"layers\[0\] 'relu'.*width .*4"):
        module(torch.ones(2, 5))
    with pytest.raises(UnsetError, match=r"parameter 'W' of 'linear>>linear' -> layers\[1\] 'linear' is not set"):
        as_torch_module(chain(Linear(2, 2).initialize(), Linear(2)))


# Memory


def test_parameters_inputs_and_outputs_share_memory() -> None:
    seen: dict[str, int] = {}

    def forward(model: Any, X: Any, is_train: bool) -> Any:
        seen["X"] = X.ctypes.data
        Y = X * 2
        seen["Y"] = Y.ctypes.data
        return Y, lambda dY: (seen.update(dY=dY.ctypes.data), dY * 2)[1]

    model: Model[Any, Any] = chain(Model("twice", forward), Linear(3, 4), Model("twice", forward)).initialize()
    module = as_torch_module(model)
    for name, p in module.layers[1].named_parameters():
        assert p.data_ptr() == model.layers[1].get_param(name).ctypes.data
    only = as_torch_module(Model("twice", forward))
    X = torch.ones(2, 4, requires_grad=True)
    for x in (X, X.detach()):
        Y = only(x)
        assert (seen["X"], seen["Y"]) == (X.data_ptr(), Y.data_ptr())
    Y = only(X)
    dY = torch.full((2, 4), 3.0)
    Y.backward(dY)
    assert seen["dY"] == dY.data_ptr()
    assert X.grad.tolist() == [[6.0] * 4] * 2


def test_training_one_side_trains_the_other() -> None:
    model = network()
    module = as_torch_module(model)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    X = torch.randn(20, 4)
    before = model.predict(X.numpy())
    for _ in range(3):
        optimizer.zero_grad()
        module(X)[:, 0].sum().backward()
        optimizer.step()
    after = model.predict(X.numpy())
    assert not np.allclose(before, after)
    assert np.array_equal(after, module(X).detach().numpy())


def test_an_optimizer_of_torch_does_what_it_does_with_the_same_layers_of_torch() -> None:
    torch.manual_seed(0)
    reference = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    model: Model[Any, Any] = chain(Relu(8, 4), Linear(2, 8)).initialize()
    module = as_torch_module(model)
    with torch.no_grad():
        for mine, theirs in zip(module.parameters(), reference.parameters(), strict=True):
            mine.copy_(theirs)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (module, reference)]
    for _ in range(10):
        X, Y = torch.randn(6, 4), torch.randn(6, 2)
        for net, optimizer in zip((module, reference), optimizers, strict=True):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(net(X), Y).backward()
            optimizer.step()
    for mine, theirs in zip(module.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_what_is_loaded_into_the_model_is_in_the_module() -> None:
    model = network()
    module = as_torch_module(model)
    other = network()
    for node in other.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name) + 1)
    model.from_bytes(other.to_bytes())
    assert np.array_equal(module.state_dict()["layers.0.W"].numpy(), other.layers[0].get_param("W"))
    X = np.ones((3, 4), dtype="f")
    assert np.array_equal(module(torch.from_numpy(X)).detach().numpy(), other.predict(X))
    assert module.layers[0].W.data_ptr() == model.layers[0].get_param("W").ctypes.data


def test_a_state_dict_goes_through_a_file_by_value() -> None:
    model, other = network(), network()
    module, target = as_torch_module(model), as_torch_module(other)
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    target.load_state_dict(torch.load(file, weights_only=True))
    for one, two in zip(model.walk(), other.walk(), strict=True):
        for name in one.param_names:
            assert np.array_equal(one.get_param(name), two.get_param(name))
    with pytest.raises(RuntimeError, match=r"size mismatch for layers\.0\.W"):
        target.load_state_dict({**module.state_dict(), "layers.0.W": torch.zeros(2, 2)})


def test_another_dtype_or_memory_on_torchs_side_reaches_the_model() -> None:
    model = network()
    module = as_torch_module(model)
    expected = model.predict(np.ones((2, 4), dtype="f"))
    module.double()
    Y = module(torch.ones(2, 4, dtype=torch.float64))
    assert Y.dtype is torch.float64
    np.testing.assert_allclose(Y.detach().numpy(), expected, rtol=1e-5)
    assert model.layers[0].get_param("W").dtype == np.float64
    module.float()
    vector = torch.nn.utils.parameters_to_vector(module.parameters())
    torch.nn.utils.vector_to_parameters(torch.zeros_like(vector), module.parameters())
    np.testing.assert_allclose(module(torch.ones(2, 4)).detach().numpy(), 1 / 3, rtol=1e-6)
    assert not model.layers[0].get_param("W").any()


def test_a_device_where_the_model_is_not_is_a_clear_error() -> None:
    module = as_torch_module(Linear(2, 2).initialize()).to("meta")
    with pytest.raises(ValueError, match="has gone to meta, but the model runs on cpu"):
        module(torch.ones(1, 2))


def test_what_a_layer_passes_through_is_not_the_callers_tensor() -> None:
    module = as_torch_module(noop())
    X = torch.ones(2, 3, requires_grad=True)
    Y = module(X)
    Y.detach().add_(1)
    assert X.detach().tolist() == [[1, 1, 1]] * 2
    module(X).sum().backward()
    assert X.grad.tolist() == [[1, 1, 1]] * 2


# Modes, copies, shims, threads


def test_dropout_follows_the_mode() -> None:
    module = as_torch_module(Dropout(0.5))
    X = torch.ones(10, 10)
    assert (module(X) == 0).any()
    with torch.no_grad():
        assert (module(X) == 0).any()
    assert torch.equal(module.eval()(X), X)
    model: Model[Any, Any] = chain(Linear(3, 10), Dropout(0.5)).initialize()
    module = as_torch_module(model).eval()
    module(X).sum().backward()
    torch.testing.assert_close(module.layers[0].b.grad, torch.full((3,), 10.0))


def test_copies_share_memory_with_their_own_model() -> None:
    module = as_torch_module(network())
    twin = copy.deepcopy(module)
    assert twin.model is not module.model
    X = torch.randn(3, 4)
    assert torch.equal(twin(X), module(X))
    with torch.no_grad():
        twin.layers[4].W.zero_()
        twin.layers[4].b.zero_()
    assert not twin.model.layers[4].get_param("W").any()
    assert module.model.layers[4].get_param("W").any()
    assert not torch.equal(twin(X), module(X))
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(X), module(X))


def test_modules_inside_the_model_are_parts_of_the_module() -> None:
    torch.manual_seed(0)
    inner = torch.nn.Linear(3, 2)
    model: Model[Any, Any] = chain(Linear(3, 4), PyTorchWrapper(inner)).initialize()
    module = as_torch_module(model)
    names = ["layers.0.W", "layers.0.b", "layers.1.shims.0.weight", "layers.1.shims.0.bias"]
    assert [name for name, _ in module.named_parameters()] == names
    X = torch.randn(5, 4, requires_grad=True)
    module(X).square().sum().backward()
    W, b = (torch.from_numpy(model.layers[0].get_param(name)).requires_grad_() for name in ("W", "b"))
    theirs = copy.deepcopy(inner)
    theirs.zero_grad()
    x = X.detach().clone().requires_grad_()
    theirs(x @ W.T + b).square().sum().backward()
    torch.testing.assert_close(module.layers[0].W.grad, W.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(inner.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(X.grad, x.grad, rtol=1e-4, atol=1e-5)
    only = as_torch_module(PyTorchWrapper(torch.nn.Linear(3, 2)))
    only(torch.ones(1, 3)).sum().backward()
    assert all(p.grad is not None for p in only.parameters())
    with pytest.raises(ValueError, match="scales its gradients itself"):
        as_torch_module(PyTorchWrapper_v2(torch.nn.Linear(3, 2), mixed_precision=True))


def test_a_layer_that_is_used_twice_is_one_module() -> None:
    module = as_torch_module(clone(Linear(3, 3), 2).initialize())
    assert len(list(module.parameters())) == 4
    layer = Linear(3, 3)
    module = as_torch_module(chain(layer, layer).initialize())
    assert len(list(module.parameters())) == 2
    assert module.layers[0] is module.layers[1]
    assert "'linear'" in repr(module)


def test_backward_passes_in_many_threads_do_not_mix() -> None:
    module = as_torch_module(network())
    batches = [torch.randn(20, 4, requires_grad=True) for _ in range(8)]
    parameters = list(module.parameters())

    def gradients(X: Any) -> Any:
        return torch.autograd.grad(module(X)[:, 0].sum(), (X, *parameters))

    expected = [gradients(X) for X in batches]
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        for _ in range(10):
            found[i] = gradients(batches[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(found) == list(range(8))
    for i, grads in found.items():
        for mine, theirs in zip(grads, expected[i], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
