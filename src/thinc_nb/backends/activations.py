"""Activations, their gradients, and the logistic loss."""

from __future__ import annotations

from .._described import described
from ..kernels import activations as kernels
from ..types import FloatsXdT
from ._base import OpsBase, check_overwritable


class ActivationOps(OpsBase):
    """Activations f and their gradients, element by element, for arrays of any shape.

    `backprop_…` takes dY and the argument X of f, or its result Y where that is what the gradient is computed from, and
    gives dX = dY * f'. In place, a forward method overwrites and returns its argument, a backward method dY
    (`backprop_sigmoid`: Y).

    Results are float64 if an argument is, otherwise float32. At NaN and ±inf each is its formula in IEEE arithmetic:
    NaN stays NaN, 0 * inf is NaN. TypeError for what is not numeric or, in place, no array of floats; ValueError if
    shapes differ or, in place, the array is read-only.
    """

    # --- piecewise linear -------------------------------------------------------------------------------------------

    def relu(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """max(X, 0); NaN for NaN. Source: Nair & Hinton, 2010."""
        return self._map("relu", kernels.relu, X, inplace=inplace)

    def backprop_relu(self, dY: FloatsXdT, Y: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """0 where relu's result (or its argument) is 0 or less, whatever dY is there; dY elsewhere, at NaN too."""
        return self._map_backward("backprop_relu", kernels.backprop_relu, dY, Y, inplace=inplace)

    def relu_k(self, X: FloatsXdT, n: float = 6.0, inplace: bool = False) -> FloatsXdT:
        """X between 0 and n. Source: Krizhevsky, 2010."""
        return self._map("relu_k", kernels.clipped_linear, X, 1.0, 0.0, 0.0, n, inplace=inplace)

    def backprop_relu_k(self, dY: FloatsXdT, X: FloatsXdT, n: float = 6.0, inplace: bool = False) -> FloatsXdT:
        """dY where 0 < X < n, otherwise 0."""
        kernel = kernels.backprop_clipped_linear
        return self._map_backward("backprop_relu_k", kernel, dY, X, scalars=(1.0, 0.0, n), inplace=inplace)

    def clipped_linear(
        self,
        X: FloatsXdT,
        slope: float = 1.0,
        offset: float = 0.0,
        min_val: float = 0.0,
        max_val: float = 1.0,
        inplace: bool = False,
    ) -> FloatsXdT:
        """slope * X + offset between min_val and max_val; max_val where min_val is above it."""
        return self._map("clipped_linear", kernels.clipped_linear, X, slope, offset, min_val, max_val, inplace=inplace)

    def backprop_clipped_linear(
        self,
        dY: FloatsXdT,
        X: FloatsXdT,
        slope: float = 1.0,
        offset: float = 0.0,
        min_val: float = 0.0,
        max_val: float = 1.0,
        inplace: bool = False,
    ) -> FloatsXdT:
        """slope * dY where clipped_linear does not clip, 0 where it does and at the kinks."""
        low = high = 0.0
        if slope:
            low, high = (min_val - offset) / slope, (max_val - offset) / slope
        if slope < 0:
            low, high = high, low
        kernel = kernels.backprop_clipped_linear
        return self._map_backward("backprop_clipped_linear", kernel, dY, X, scalars=(slope, low, high), inplace=inplace)

    def hard_sigmoid(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """0.2 X + 0.5 between 0 and 1. Source: Courbariaux, Bengio & David, 2015."""
        return self._map("hard_sigmoid", kernels.clipped_linear, X, 0.2, 0.5, 0.0, 1.0, inplace=inplace)

    def backprop_hard_sigmoid(self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """0.2 dY where -2.5 < X < 2.5, otherwise 0."""
        kernel = kernels.backprop_clipped_linear
        return self._map_backward("backprop_hard_sigmoid", kernel, dY, X, scalars=(0.2, -2.5, 2.5), inplace=inplace)

    def hard_tanh(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """X between -1 and 1. Source: Collobert, 2004."""
        return self._map("hard_tanh", kernels.clipped_linear, X, 1.0, 0.0, -1.0, 1.0, inplace=inplace)

    def backprop_hard_tanh(self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """dY where -1 < X < 1, otherwise 0."""
        kernel = kernels.backprop_clipped_linear
        return self._map_backward("backprop_hard_tanh", kernel, dY, X, scalars=(1.0, -1.0, 1.0), inplace=inplace)

    def hard_swish(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """X * hard_sigmoid(X)."""
        return self._map("hard_swish", kernels.hard_swish, X, 2.5, inplace=inplace)

    def backprop_hard_swish(self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """(0.4 X + 0.5) dY where -2.5 <= X <= 2.5, 0 below, dY above."""
        kernel = kernels.backprop_hard_swish
        return self._map_backward("backprop_hard_swish", kernel, dY, X, scalars=(2.5,), inplace=inplace)

    def hard_swish_mobilenet(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """X * relu_k(X + 3) / 6. Source: Howard et al., 2019."""
        return self._map("hard_swish_mobilenet", kernels.hard_swish, X, 3.0, inplace=inplace)

    def backprop_hard_swish_mobilenet(self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """(X / 3 + 0.5) dY where -3 <= X <= 3, 0 below, dY above."""
        kernel = kernels.backprop_hard_swish
        return self._map_backward("backprop_hard_swish_mobilenet", kernel, dY, X, scalars=(3.0,), inplace=inplace)

    # --- smooth -----------------------------------------------------------------------------------------------------

    def sigmoid(self, X: FloatsXdT, *, inplace: bool = False) -> FloatsXdT:
        """1 / (1 + exp(-X)), down to 0 and up to 1."""
        return self._map("sigmoid", kernels.sigmoid, X, inplace=inplace)

    def dsigmoid(self, Y: FloatsXdT, *, inplace: bool = False) -> FloatsXdT:
        """The derivative of sigmoid from its result: Y * (1 - Y)."""
        return self._map("dsigmoid", kernels.dsigmoid, Y, inplace=inplace)

    def backprop_sigmoid(self, dY: FloatsXdT, Y: FloatsXdT, *, inplace: bool = False) -> FloatsXdT:
        """dY * Y * (1 - Y), from sigmoid's result; in place it overwrites and returns Y, as Thinc does."""
        if inplace:
            check_overwritable("backprop_sigmoid", Y)
        dX = self._map_backward("backprop_sigmoid", kernels.backprop_sigmoid, dY, Y, inplace=False)
        if inplace:
            Y[...] = dX
            return Y
        return dX

    def swish(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """X * sigmoid(X); NaN at -inf. Source: Ramachandran, Zoph & Le, 2017."""
        return self._map("swish", kernels.swish, X, inplace=inplace)

    def backprop_swish(self, dY: FloatsXdT, X: FloatsXdT, Y: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """The gradient of swish from its argument X and its result Y."""
        return self._map_backward("backprop_swish", kernels.backprop_swish, dY, X, Y, inplace=inplace)

    def gelu(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """X * Φ(X), Φ the normal distribution function; NaN at -inf. Source: Hendrycks & Gimpel, 2016."""
        return self._map("gelu", kernels.gelu, X, inplace=inplace)

    def backprop_gelu(self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """dY * (Φ(X) + X * φ(X)), φ the normal density; NaN at ±inf."""
        return self._map_backward("backprop_gelu", kernels.backprop_gelu, dY, X, inplace=inplace)

    def gelu_approx(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """X * (1 + tanh(sqrt(2/π) * (X + 0.044715 X³))) / 2; NaN at -inf. Source: Hendrycks & Gimpel, 2016."""
        return self._map("gelu_approx", kernels.gelu_approx, X, inplace=inplace)

    def backprop_gelu_approx(self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """The gradient of gelu_approx; NaN at ±inf and where X³ overflows."""
        return self._map_backward("backprop_gelu_approx", kernels.backprop_gelu_approx, dY, X, inplace=inplace)

    def mish(self, X: FloatsXdT, threshold: float = 20.0, inplace: bool = False) -> FloatsXdT:
        """X * tanh(log(1 + exp(X))), and X itself from the threshold on; NaN at -inf. Source: Misra, 2019."""
        return self._map("mish", kernels.mish, X, threshold, inplace=inplace)

    def backprop_mish(self, dY: FloatsXdT, X: FloatsXdT, threshold: float = 20.0, inplace: bool = False) -> FloatsXdT:
        """The gradient of mish; dY where X is not below the threshold, NaN included."""
        kernel = kernels.backprop_mish
        return self._map_backward("backprop_mish", kernel, dY, X, scalars=(threshold,), inplace=inplace)

    def dish(self, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """X * (X / sqrt(1 + X²) + 1) / 2, of swish's shape without exp; NaN at ±inf."""
        return self._map("dish", kernels.dish, X, inplace=inplace)

    def backprop_dish(self, dY: FloatsXdT, X: FloatsXdT, inplace: bool = False) -> FloatsXdT:
        """The gradient of dish; NaN at ±inf."""
        return self._map_backward("backprop_dish", kernels.backprop_dish, dY, X, inplace=inplace)

    def dtanh(self, Y: FloatsXdT, *, inplace: bool = False) -> FloatsXdT:
        """The derivative of tanh from its result: 1 - Y²."""
        return self._map("dtanh", kernels.dtanh, Y, inplace=inplace)

    def sechsq(self, X: FloatsXdT) -> FloatsXdT:
        """1 / cosh(X)², the derivative of tanh from its argument."""
        return self._map("sechsq", kernels.sechsq, X)

    def erf(self, X: FloatsXdT) -> FloatsXdT:
        """The error function."""
        return self._map("erf", kernels.erf, X)

    # --- a loss -----------------------------------------------------------------------------------------------------

    def logloss(self, y_true: FloatsXdT, y_pred: FloatsXdT) -> FloatsXdT:
        """-(y_true * log(y_pred) + (1 - y_true) * log(1 - y_pred)), element by element; 1e-8 is added inside the logs.

        NaN where y_pred lies outside 0 … 1. ValueError if the shapes differ.
        """
        target = self._reals("logloss: y_true", y_true)
        predicted = self._reals("logloss: y_pred", y_pred)
        if target.shape != predicted.shape:
            raise ValueError(f"logloss: y_true is {described(target)}, but y_pred is {described(predicted)}")
        target, predicted = self._same_dtype(target, predicted)
        out: FloatsXdT = self._empty_like(target)
        kernels.logloss.run(out.ravel(), target.ravel(), predicted.ravel())
        return out
