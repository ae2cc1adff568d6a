"""The fully connected layer whose product is written in Einstein's notation."""

from __future__ import annotations

import functools
import re
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxlayers import activations, constraints, initializers, regularizers
from jaxlayers.core import InputSpec, Variable
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import activated
from jaxlayers.layers._low_rank import LowRank

_FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class EinsumDense(LowRank, adapted="kernel"):
    """A fully connected layer over any axes: `outputs = activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: the axes of inputs, kernel and outputs as letters: `"abc,cd->abd"`. Dots before or behind the letters
            of inputs and outputs stand for any axes, `"...a,ab->...b"`.
        output_shape: the sizes of the outputs' axes, without the batch and those that dots stand for; None for those
            that the inputs say.
        activation: a function or its name; by default none.
        bias_axes: the letters of the outputs' axes that the bias has; by default there is no bias.
        kernel_initializer, bias_initializer: how the weights start. The fans are those of the equation.
        kernel_regularizer, bias_regularizer: what they add to the losses.
        kernel_constraint, bias_constraint: applied after each update.
        lora_rank, lora_alpha: with a rank, the layer is built with `enable_lora(lora_rank, lora_alpha)`.
        **kwargs: `name`, `dtype`, `activity_regularizer`, ... of `Layer`.

    Shapes:
        inputs, kernel and outputs: as the equation says; bias: the outputs' axes from the first of `bias_axes` on,
        with size 1 where they are not among them.

    Raises:
        ValueError: when the equation has another form, or does not go with the shapes.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.EinsumDense("abc,cde->abde", (None, 2, 4), bias_axes="e")
        >>> layer(jnp.ones((5, 7, 3))).shape, layer.kernel.shape, layer.bias.shape
        ((5, 7, 2, 4), (3, 2, 4), (4,))
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {
        "output_shape": "partial_output_shape",
        "activity_regularizer": "activity_regularizer",
    }

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
        super().__init__(lora_rank, lora_alpha, **kwargs)
        self.equation, self.bias_axes = equation, bias_axes
        self.partial_output_shape = tuple(output_shape) if isinstance(output_shape, list | tuple) else (output_shape,)
        self._terms = _parse(equation, bias_axes)
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.bias: Variable | Any = None

    def build(self, input_shape: Any) -> None:
        """Make the kernel and the bias for inputs of this shape."""
        terms, sizes = self._terms, self._sizes(tuple(input_shape))
        self.kernel = self.add_weight(
            name="kernel",
            shape=[sizes[letter] for letter in terms.kernel],
            initializer=_with_fans(self.kernel_initializer, terms),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.bias_axes is not None:
            first = min(terms.outputs.find(letter) for letter in self.bias_axes)
            behind = len(input_shape) - len(terms.inputs) if terms.dots == "behind" else 0
            shape = [sizes[letter] if letter in self.bias_axes else 1 for letter in terms.outputs[first:]]
            self.bias = self.add_weight(
                name="bias",
                shape=shape + [1] * behind,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(ndim=len(input_shape))
        super().build(input_shape)

    def _sizes(self, shape: tuple[int, ...]) -> dict[str, int]:
        """The size of every axis that has a letter."""
        terms, rest = self._terms, len(shape) - len(self._terms.inputs)
        if rest < 0 or (rest and not terms.dots):
            raise ValueError(
                f"{self.path!r} has the equation {self.equation!r}, which inputs of shape {shape} do not go with."
            )
        sizes = dict(zip(terms.inputs, shape[rest:] if terms.dots == "before" else shape, strict=False))
        batch = terms.outputs[: 0 if terms.dots == "before" and rest else 1]  # the axis that output_shape leaves out
        named = terms.outputs[len(batch) :]
        if len(named) != len(self.partial_output_shape):
            raise ValueError(
                f"{self.path!r} has output_shape={self.partial_output_shape}, which must have a size (or None) for "
                f"each of the axes {named!r} of its equation {self.equation!r}."
            )
        for letter, size in zip(named, self.partial_output_shape, strict=True):
            if size is not None and sizes.setdefault(letter, size) != size:
                raise ValueError(
                    f"{self.path!r} has size {size} for the axis {letter!r} of {self.equation!r} in its output_shape; "
                    f"received inputs of shape {shape}, where it is {sizes[letter]}."
                )
        missing = [letter for letter in terms.kernel + (self.bias_axes or "") if letter not in sizes]
        if missing:
            raise ValueError(
                f"{self.path!r} must be told the size of {missing} of {self.equation!r} in its output_shape; received "
                f"{self.partial_output_shape}."
            )
        return sizes

    def call(self, inputs: jax.Array) -> jax.Array:
        """Multiply, add, activate."""
        return activated(self, _affine(inputs, unwrap(self.kernel), unwrap(self.bias), self.equation))


class _Terms(NamedTuple):
    """The letters of an equation, and where it has dots: `""`, `"before"` or `"behind"`."""

    inputs: str
    kernel: str
    outputs: str
    dots: str


def _parse(equation: str, bias_axes: str | None) -> _Terms:
    found = _FORM.fullmatch(equation)
    before, inputs, behind, kernel, before_outputs, outputs, behind_outputs = found.groups() if found else ("",) * 7
    if not found or (before, behind) != (before_outputs, behind_outputs) or (before and behind):
        raise ValueError(
            "EinsumDense: equation must have the form 'ab,bc->ac', '...ab,bc->...ac' or 'ab...,bc->ac...'; received "
            f"{equation!r}."
        )
    strange = (set(outputs) - set(inputs + kernel)) | (set(kernel) - set(inputs + outputs))
    if strange:
        raise ValueError(f"EinsumDense: the axes {sorted(strange)} of {equation!r} stand on one side alone.")
    if bias_axes is not None and (not bias_axes or set(bias_axes) - set(outputs)):
        raise ValueError(f"EinsumDense: bias_axes must be letters of {outputs!r}; received {bias_axes!r}.")
    return _Terms(inputs, kernel, outputs, "before" if before else "behind" if behind else "")


def _with_fans(initializer: Any, terms: _Terms) -> Any:
    """An initializer whose spread depends on the fans, told which axes of the kernel are inputs and which outputs."""
    if not isinstance(initializer, initializers.VarianceScaling) or None not in (
        initializer.input_axes,
        initializer.output_axes,
    ):
        return initializer
    axes: dict[str, list[int]] = {"input_axes": [], "output_axes": []}
    for axis, letter in enumerate(terms.kernel):
        axes["output_axes" if letter in terms.outputs else "input_axes"].append(axis)
    return type(initializer).from_config({**initializer.get_config(), "seed": initializer.seed, **axes})


@functools.partial(jax.jit, static_argnums=(3,))  # one dispatch when it is called eagerly
def _affine(inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None, equation: str) -> jax.Array:
    outputs = jnp.einsum(equation, inputs, kernel)
    return outputs if bias is None else outputs + bias.reshape((1,) * (outputs.ndim - bias.ndim) + bias.shape)
