"""PyTorchGradScaler, beside that of torch."""

from __future__ import annotations

import math

import pytest

from thinc_nb.api import PyTorchGradScaler

torch = pytest.importorskip("torch")


def test_without_being_enabled_it_leaves_everything_as_it_is() -> None:
    scaler = PyTorchGradScaler()
    tensors = [torch.ones(2), torch.full((2,), math.inf)]
    assert scaler.scale(tensors) is tensors
    assert scaler.unscale(tensors) is False
    scaler.update()
    assert tensors[0].tolist() == [1, 1]
    assert (scaler.enabled, scaler.found_inf) == (False, False)


def test_scaling_gives_new_tensors_or_changes_them() -> None:
    scaler = PyTorchGradScaler(True, init_scale=4.0)
    one, two = torch.ones(2), torch.full((3,), 2.0)
    assert scaler.scale(one).tolist() == [4, 4]
    assert [tensor.tolist() for tensor in scaler.scale(iter((one, two)))] == [[4, 4], [8, 8, 8]]
    assert one.tolist() == [1, 1]
    scaler.scale([one], inplace=True)
    assert one.tolist() == [4, 4]
    assert scaler.unscale([one]) is False
    assert one.tolist() == [1, 1]
    for wrong in (3.0, [one, 3.0]):
        with pytest.raises(ValueError, match="must be a Tensor or Iterable"):
            scaler.scale(wrong)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_remembered_until_the_update(value: float) -> None:
    scaler = PyTorchGradScaler(True, init_scale=4.0)
    assert scaler.unscale([torch.ones(2), torch.tensor([1.0, value])]) is True
    assert scaler.unscale([torch.ones(2)]) is False
    assert scaler.found_inf
    scaler.update()
    assert not scaler.found_inf
    assert scaler.scale(torch.ones(1)).item() == 2.0


def test_the_factor_is_that_of_torchs_scaler_over_many_steps() -> None:
    options = {"init_scale": 2.0**10, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 3}
    ours = PyTorchGradScaler(True, **options)
    theirs = torch.amp.GradScaler("cpu", **options)
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.0)
    theirs.scale(torch.ones(1))
    for step in range(30):
        gradient = torch.tensor([math.inf if step % 7 == 5 else 1.0])
        parameter.grad = gradient.clone()
        ours.unscale([gradient])
        ours.update()
        theirs.unscale_(optimizer)
        theirs.step(optimizer)
        theirs.update()
        assert ours.scale(torch.ones(1)).item() == pytest.approx(theirs.get_scale()), step


def test_the_factor_stays_finite() -> None:
    scaler = PyTorchGradScaler(True, init_scale=1e308, growth_factor=1e10, growth_interval=1)
    for _ in range(3):
        scaler.update()
    assert scaler.scale(torch.ones(1, dtype=torch.float64)).item() == 1e308


def test_moving_it_does_nothing() -> None:
    PyTorchGradScaler(True).to_(torch.device("cpu"))
