"""A recurrent layer run over a sequence from both ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxlayers.common import registry
from jaxlayers.core import Layer
from jaxlayers.layers._config import made_again

_MERGES = {
    "concat": lambda forward, backward: jnp.concatenate([forward, backward], -1),
    "sum": lambda forward, backward: forward + backward,
    "mul": lambda forward, backward: forward * backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    None: lambda forward, backward: (forward, backward),
}
_ALIKE = ("stateful", "return_sequences", "return_state")


class Bidirectional(Layer):
    """Runs a recurrent layer over a sequence from the start, and one like it from the end, and merges the outputs.

    With `return_sequences`, outputs at masked steps are zero, whatever `zero_output_for_mask` of the layers says.

    Args:
        layer: a recurrent layer; what runs is two made from its config, which do not share its weights.
        merge_mode: `"concat"` along the features, `"sum"`, `"mul"`, `"ave"`, or None for both outputs.
        weights: arrays to start from: those of the forward layer, then those of the backward one. (Keras takes them and
            does nothing with them.)
        backward_layer: the layer that runs from the end, when it is to differ; with `go_backwards=True`.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        sequences: `[batch, time, features]`; initial_state: the states of the forward layer, then those of the backward
        one; outputs: those of the layer, with twice the features for `"concat"`, followed by all last states with
        `return_state`.

    Raises:
        ValueError: when one is no recurrent layer, the two do not fit each other, or `merge_mode` is unknown.

    Source: Schuster and Paliwal, "Bidirectional Recurrent Neural Networks", IEEE Trans. Signal Processing 45 (1997).

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.Bidirectional(jl.layers.LSTM(4))(jnp.ones((2, 5, 3))).shape
        (2, 8)
    """

    _config_attributes: ClassVar[dict[str, str | None]] = {"layer": "forward_layer", "weights": None}

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ):
        wanted = ("go_backwards", *_ALIKE)
        for one in (layer, layer if backward_layer is None else backward_layer):
            if not isinstance(one, Layer) or not all(hasattr(one, name) for name in wanted):
                raise ValueError(
                    f"Bidirectional runs recurrent layers, which have {', '.join(wanted)}; received {one!r}."
                )
        if merge_mode not in _MERGES:
            raise ValueError(
                f"Bidirectional: merge_mode must be one of {', '.join(map(repr, _MERGES))}; received {merge_mode!r}."
            )
        super().__init__(**kwargs)
        self.merge_mode = merge_mode
        self.forward_layer = _like(layer, "forward_")
        if backward_layer is None:
            backward_layer = _like(layer, "backward_", go_backwards=True)
        self.backward_layer = backward_layer
        _check_pair(self.forward_layer, self.backward_layer)
        for one in (self.forward_layer, self.backward_layer):
            if hasattr(layer, "use_cudnn"):
                one.use_cudnn = layer.use_cudnn
            if hasattr(one, "zero_output_for_mask"):
                one.zero_output_for_mask = one.return_sequences
        self.stateful, self.return_sequences, self.return_state = (getattr(layer, name) for name in _ALIKE)
        self.input_spec = layer.input_spec
        self._start = None if weights is None else tuple(weights)

    def call(self, sequences: jax.Array, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Run both, merge."""
        half = 0 if initial_state is None else len(initial_state) // 2
        pairs = []
        for layer, states in (
            (self.forward_layer, initial_state and initial_state[:half]),
            (self.backward_layer, initial_state and initial_state[half:]),
        ):
            passed = {} if states is None else {"initial_state": states}
            if mask is not None and "mask" in layer._call_spec.all_names:
                passed["mask"] = mask
            found = layer(sequences, **passed)
            pairs.append((found[0], tuple(found[1:])) if self.return_state else (found, ()))
        self._use_start()
        (forward, states), (backward, more) = pairs
        forward, backward = forward.astype(self.compute_dtype), backward.astype(self.compute_dtype)
        if self.return_sequences:
            backward = jnp.flip(backward, 1)
        merged = _MERGES[self.merge_mode](forward, backward)
        if not self.return_state:
            return merged
        return (*merged, *states, *more) if self.merge_mode is None else (merged, *states, *more)

    def _use_start(self) -> None:
        """Let variables that have no arrays yet start from the given weights."""
        if self._start is None:
            return
        variables = [*self.forward_layer.weights, *self.backward_layer.weights]
        shapes, given = [v.shape for v in variables], [jnp.shape(array) for array in self._start]
        if shapes != given:
            raise ValueError(f"{self.path!r} expects weights of shapes {shapes}; received {given}.")
        for variable, array in zip(variables, self._start, strict=True):
            if not isinstance(variable.initializer, _Given):
                variable.initializer = _Given(array)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The mask of the steps on sequences of outputs; none on anything else."""
        mask = next(iter(jax.tree.leaves(previous_mask)), None) if self.return_sequences else None
        outputs = [mask] * (2 if self.merge_mode is None else 1)
        layers = (self.forward_layer, self.backward_layer) if self.return_state else ()
        states = [None for layer in layers for _ in jax.tree.leaves(layer.state_size)]
        return mask if len(outputs + states) == 1 else outputs + states

    @property
    def states(self) -> Any:
        """The states of both layers, when they are stateful and built; else None."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return None if forward is None or backward is None else (*forward, *backward)

    def reset_state(self) -> None:
        """Let the next call start anew.

        Raises:
            AttributeError: when the layers are not stateful.
        """
        if not self.stateful:
            raise AttributeError(f"{self.path!r} is not stateful, so there is no state to reset.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """The same as `reset_state`."""
        self.reset_state()

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The layer that `get_config()` describes; without weights."""
        inside = {
            name: registry.lookup("layer", config.get(name), custom_objects) for name in ("layer", "backward_layer")
        }
        return super().from_config({**config, **inside})


class _Given:
    """The initializer of a weight that was given."""

    def __init__(self, array: Any):
        self.array = array

    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        return jnp.array(self.array, dtype)


def _like(layer: Any, prefix: str, **changed: Any) -> Any:
    """A new layer with the config of another, named after it."""
    name = prefix + layer.name.removeprefix(prefix)
    return made_again(layer, name=name, **changed)


def _check_pair(forward: Any, backward: Any) -> None:
    if forward.go_backwards == backward.go_backwards:
        raise ValueError(
            "Bidirectional: one of layer and backward_layer must have go_backwards=True, and the other not; both have "
            f"go_backwards={forward.go_backwards}."
        )
    for name in _ALIKE:
        if getattr(forward, name) != getattr(backward, name):
            raise ValueError(
                f"Bidirectional: layer and backward_layer must have the same {name}; received "
                f"{getattr(forward, name)} and {getattr(backward, name)}."
            )
