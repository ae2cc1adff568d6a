"""The fully connected layer whose product is an einsum equation."""

from __future__ import annotations

import functools
import re
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxlayers import activations, initializers
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.constructors import passes_on
from jaxlayers.core import InputSpec, Variable
from jaxlayers.layers._config import activated
from jaxlayers.layers._low_rank import AdaptedWeight, LowRank

_FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class EinsumDense(LowRank, weights=("kernel", "bias")):
    """A fully connected layer with an einsum: `outputs = activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: the axes of inputs, kernel and outputs as letters, such as `"abc,cd->abd"`. An ellipsis before or
            after the letters of inputs and outputs stands for any number of axes: `"...a,ab->...b"`.
        output_shape: the sizes of the axes of the outputs, without the batch and the axes of the ellipsis; None for a
            size that follows from the inputs.
        activation: an activation function or its name; None (the default) for none.
        bias_axes: the letters of those axes of the outputs that the bias has; None (the default) for no bias.
        kernel_initializer, bias_initializer: initializers of the weights; `"glorot_uniform"` and `"zeros"` by default.
            The fans of the kernel follow from the equation: its axes that the outputs have are output axes.
        kernel_regularizer, bias_regularizer: regularizers of the weights; their penalties are added to the losses.
        kernel_constraint, bias_constraint: constraints of the weights, applied after each update.
        lora_rank, lora_alpha: with a rank, `build` calls `enable_lora(lora_rank, lora_alpha)`.
        **kwargs: arguments of `Layer`, such as `name`, `dtype` and `activity_regularizer`.

    Shapes:
        inputs, kernel and outputs: according to the equation; bias: the axes of the outputs from the first one in
        `bias_axes` to the last, with size 1 along those that `bias_axes` leaves out.

    Raises:
        ValueError: when the equation has another form; when it does not fit `output_shape`, `bias_axes` or the inputs.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="e")
        >>> layer(jnp.ones((5, 7, 3))).shape, layer.kernel.shape, layer.bias.shape
        ((5, 7, 2, 4), (3, 2, 4), (4,))
    """

    kernel: Any = AdaptedWeight()
    _config_attributes: ClassVar[dict[str, str | None]] = {
        "output_shape": "partial_output_shape",
        "activity_regularizer": "activity_regularizer",
    }

    @passes_on
    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ):
        self.equation, self.bias_axes = equation, bias_axes
        self.partial_output_shape = tuple(output_shape) if isinstance(output_shape, list | tuple) else (output_shape,)
        self._terms = _parse(equation, bias_axes)
        self.activation = activations.get(activation)
        self.bias: Variable | Any = None

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias for inputs of this shape."""
        terms, sizes = self._terms, self._sizes(tuple(input_shape))
        options = self.weight_options("kernel")
        options["initializer"] = _with_fans(options["initializer"], terms)
        self.kernel = self.add_weight([sizes[letter] for letter in terms.kernel], name="kernel", **options)
        if self.bias_axes is not None:
            first = min(terms.outputs.find(letter) for letter in self.bias_axes)
            after = len(input_shape) - len(terms.inputs) if terms.dots == "after" else 0
            shape = [sizes[letter] if letter in self.bias_axes else 1 for letter in terms.outputs[first:]]
            self.bias = self.add_weight(shape + [1] * after, name="bias", **self.weight_options("bias"))
        self.input_spec = InputSpec(ndim=len(input_shape))
        super().build(input_shape)

    def _sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        """The size of every axis that has a letter in the equation, for inputs of this shape."""
        terms, rest = self._terms, len(shape) - len(self._terms.inputs)
        where = f"{self.path!r} with equation {self.equation!r}"
        if rest < 0 or (rest and not terms.dots):
            expected = f"{len(terms.inputs)} axes{' or more' if terms.dots else ''}"
            raise ValueError(f"{where} expects inputs with {expected}; received shape {shape}.")
        sizes = dict(zip(terms.inputs, shape[rest:] if terms.dots == "before" else shape, strict=False))
        # output_shape leaves out the batch, which is the ellipsis or else the first letter.
        letters = terms.outputs[0 if terms.dots == "before" and rest else 1 :]
        if len(letters) != len(self.partial_output_shape):
            raise ValueError(
                f"{where} expects an output_shape with a size (or None) for each of the axes {letters!r}; received "
                f"output_shape={self.partial_output_shape}."
            )
        for letter, size in zip(letters, self.partial_output_shape, strict=True):
            if size is not None and sizes.setdefault(letter, size) != size:
                raise ValueError(
                    f"{where} has size {size} for the axis {letter!r} in its output_shape; received inputs of shape "
                    f"{shape}, where this axis has size {sizes[letter]}."
                )
        missing = [letter for letter in terms.kernel + (self.bias_axes or "") if letter not in sizes]
        if missing:
            raise ValueError(
                f"{where} expects the sizes of the axes {missing} in its output_shape; received "
                f"{self.partial_output_shape}."
            )
        return sizes

    def call(self, inputs: jax.Array) -> jax.Array:
        """Multiply by the kernel, add the bias, and apply the activation."""
        return activated(self, _affine(inputs, unwrap(self.kernel), unwrap(self.bias), self.equation))


class _Terms(NamedTuple):
    """The letters of an equation, and the position of its ellipsis: `""` (none), `"before"` or `"after"`."""

    inputs: str
    kernel: str
    outputs: str
    dots: str


def _parse(equation: str, bias_axes: str | None) -> _Terms:
    match = _FORM.fullmatch(equation)
    before, inputs, after, kernel, before_outputs, outputs, after_outputs = match.groups() if match else ("",) * 7
    if not match or (before, after) != (before_outputs, after_outputs) or (before and after):
        raise ValueError(
            "EinsumDense: equation must have the form 'ab,bc->ac', '...ab,bc->...ac' or 'ab...,bc->ac...'; received "
            f"{equation!r}."
        )
    unmatched = (set(outputs) - set(inputs + kernel)) | (set(kernel) - set(inputs + outputs))
    if unmatched:
        raise ValueError(
            f"EinsumDense: each axis of the kernel and of the outputs must appear in another part of the equation; "
            f"received {equation!r}, where the axes {sorted(unmatched)} do not."
        )
    if bias_axes is not None and (not bias_axes or set(bias_axes) - set(outputs)):
        raise ValueError(f"EinsumDense: bias_axes must be letters of {outputs!r}; received {bias_axes!r}.")
    return _Terms(inputs, kernel, outputs, "before" if before else "after" if after else "")


def _with_fans(initializer: Any, terms: _Terms) -> Any:
    """The initializer of the kernel; a `VarianceScaling` without axes gets the input and output axes of the kernel."""
    if not isinstance(initializer, initializers.VarianceScaling) or None not in (
        initializer.input_axes,
        initializer.output_axes,
    ):
        return initializer
    axes: dict[str, list[int]] = {"input_axes": [], "output_axes": []}
    for axis, letter in enumerate(terms.kernel):
        axes["output_axes" if letter in terms.outputs else "input_axes"].append(axis)
    return type(initializer).from_config({**initializer.get_config(), "seed": initializer.seed, **axes})


@functools.partial(jax.jit, static_argnums=(3,))  # one dispatch in an eager call
def _affine(inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, equation: str) -> jax.Array:
    outputs = jnp.einsum(equation, inputs, kernel)
    return outputs if bias is None else outputs + bias.reshape((1,) * (outputs.ndim - bias.ndim) + bias.shape)
