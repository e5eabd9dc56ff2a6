"""LSTM, and that of PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .. import compat
from .._arrays import is_xp_array
from .._described import described
from .._interop import assert_pytorch_installed
from ..backends import Ops
from ..errors import InputError
from ..initializers import Initializer, glorot_uniform_init, zero_init
from ..model import Model
from ..types import NI, NO, Floats1d, Floats2d, Padded
from ._checks import check_gradient_kind, wrong_gradient, wrong_type
from ._dense import infer_widths
from .dropout import checked_rate, draw_mask
from .noop import noop
from .pytorchwrapper import PyTorchRNNWrapper
from .with_padded import with_padded


def LSTM(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    bi: bool = False,
    depth: int = 1,
    dropout: float = 0.0,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
) -> Model[Padded, Padded, NI, NO]:
    """Long short-term memory: a recurrent network over each sequence, `depth` layers of one or two directions.

    Padded of width nI → Padded of width nO, which two directions (`bi`) share: each has nO / 2 units. All weights are
    one parameter, LSTM, drawn by `init_W` (glorot_uniform_init) and `init_b` (zeros); the initial states HC0 are zero
    and are not trained. dropout: the chance to drop a weight, for a whole batch (DropConnect; Wan et al., 2013).
    ValueError if depth is less than 1, or at initialization if nO is odd with two directions.
    Sources: Hochreiter & Schmidhuber, 1997; Gers, Schmidhuber & Cummins, 2000.
    """
    if depth < 1:
        raise ValueError(f"LSTM: the depth must be at least 1, got {depth}")
    return Model(
        "lstm",
        forward,
        init=partial(init, init_W or glorot_uniform_init, init_b or zero_init),
        dims={"nO": nO, "nI": nI, "depth": depth, "dirs": 2 if bi else 1},
        attrs={"registry_name": "LSTM.v1", "dropout_rate": checked_rate(dropout)},
        params={"LSTM": None, "HC0": None},
    )


def PyTorchLSTM(nO: int, nI: int, *, bi: bool = False, depth: int = 1, dropout: float = 0.0) -> Model[Padded, Padded]:
    """PyTorch's LSTM, on sequences in any form.

    Padded, Ragged, or list of arrays of width nI → the same of width nO, which two directions (`bi`) share. dropout: of
    the outputs between layers. Without layers (depth 0) it is `noop`. See `PyTorchRNNWrapper` about padding.
    ImportError without torch; ValueError for an odd nO with two directions.
    """
    if depth == 0:
        return noop()
    assert_pytorch_installed()
    units, rest = divmod(nO, 2 if bi else 1)
    if rest:
        raise ValueError(f"PyTorchLSTM has two directions, so nO must be even, got {nO}")
    lstm = compat.torch.nn.LSTM(nI, units, num_layers=depth, bidirectional=bi, dropout=dropout)
    layer = PyTorchRNNWrapper(lstm)
    layer.set_dim("nO", nO)
    layer.set_dim("nI", nI)
    model: Model[Padded, Padded] = with_padded(layer)
    return model


def forward(model: Model[Padded, Padded], Xp: Padded, is_train: bool) -> tuple[Padded, Callable[[Padded], Padded]]:
    """The rows that are no padding through the network, step by step."""
    if not isinstance(Xp, Padded):
        raise wrong_type(model, "a Padded", Xp)
    ops = model.ops
    nI, nO = model.get_dim("nI"), model.get_dim("nO")
    try:
        steps, sequences, width = Xp.data.shape
    except (ValueError, AttributeError):
        raise wrong_type(model, "a Padded with data (steps, sequences, width)", Xp) from None
    if width != nI and Xp.data.size:
        raise InputError(f"layer {model.name!r} takes sequences of width {nI} (nI), got {described(Xp)}")
    inside = _inside(ops, Xp)
    # Sequences of one length are packed as they lie.
    is_packed = bool(inside.all())

    def packed(data: Any, nO: int) -> Any:
        if not data.size:
            return ops.alloc2f(0, nO, dtype=_float_name(model.get_param("LSTM")))
        return data.reshape(-1, nO) if is_packed else data[inside]

    def padded(rows: Any, nO: int) -> Padded:
        if is_packed and rows.size:
            return Padded(rows.reshape(steps, sequences, nO), Xp.size_at_t, Xp.lengths, Xp.indices)
        data = ops.alloc3f(steps, sequences, nO, dtype=_float_name(rows))
        data[inside] = rows
        return Padded(data, Xp.size_at_t, Xp.lengths, Xp.indices)

    Y, backprop_rows = run_rows(model, packed(Xp.data, nI), Xp.size_at_t, is_train)

    def backprop(dYp: Any) -> Padded:
        check_gradient_kind(model, dYp, Padded, "a Padded")
        if not is_xp_array(dYp.data) or (dYp.data.size and dYp.data.shape != (steps, sequences, nO)):
            raise wrong_gradient(model, f"a Padded with data {(steps, sequences, nO)}", dYp)
        return padded(backprop_rows(packed(dYp.data, nO)), nI)

    return padded(Y, nO), backprop


def run_rows(
    model: Model[Any, Any], X: Floats2d, where: Any, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The network on rows (n, nI). `where` are the sizes of the steps if they are packed, or the CPU's `Steps`."""
    ops = model.ops
    weights: Any = model.get_param("LSTM")
    HC0: Any = model.get_param("HC0")
    rate = model.attrs["dropout_rate"] or 0.0
    mask = draw_mask(ops, rate) if is_train and rate > 0 else None
    params: Floats1d = weights if mask is None else mask(weights)
    dtype = _float_name(weights)
    X = ops.as_contig(X, dtype=dtype)
    state: tuple[Any, ...] | None = None
    if is_train:
        Y, state = ops.lstm_forward_training(params, HC0[0], HC0[1], X, where)
    else:
        Y = ops.lstm_forward_inference(params, HC0[0], HC0[1], X, where)

    def backprop(dY: Floats2d) -> Floats2d:
        # Without training the forward pass has kept nothing.
        kept = state or ops.lstm_forward_training(params, HC0[0], HC0[1], X, where)[1]
        dX, d_params = ops.backprop_lstm(ops.as_contig(dY, dtype=dtype), where, params, kept)
        model.inc_grad("LSTM", d_params if mask is None else mask(d_params))
        return dX

    return Y, backprop


def _inside(ops: Ops, Xp: Padded) -> Any:
    """Which rows of the data are no padding: (steps, sequences) booleans."""
    return ops.xp.arange(Xp.data.shape[1])[None, :] < Xp.size_at_t[:, None]


def _float_name(X: Any) -> Any:
    return X.dtype.name


def init(
    init_W: Initializer,
    init_b: Initializer,
    model: Model[Padded, Padded],
    X: Padded | None = None,
    Y: Padded | None = None,
) -> None:
    """Infer the widths, then draw the weights of each layer and direction; the initial states are zero."""
    infer_widths(model, X, Y)
    ops = model.ops
    nO, width, depth, dirs = (model.get_dim(name) for name in ("nO", "nI", "depth", "dirs"))
    units, rest = divmod(nO, dirs)
    if rest:
        raise ValueError(f"layer {model.name!r} has two directions, so nO must be even, got {nO}")
    params = []
    for _ in range(depth):
        for _ in range(dirs):
            for columns in (width, units):
                # Gate by gate, so that each has the scale of a layer of its own.
                params += [init_W(ops, (units, columns)) for _ in range(4)]
                params += [init_b(ops, (units,)) for _ in range(4)]
        width = nO
    model.set_param("LSTM", ops.xp.concatenate([param.reshape(-1) for param in params]))
    model.set_param("HC0", zero_init(ops, (2, depth, dirs, units)))
