"""Find the first value that is not finite in a training step.

The step is run again on its batch, operation by operation, and changes nothing. The inputs and outputs of all layers,
the loss and the gradients are watched on the way. A callback of JAX examines them, so that this works inside of
gradients, loops and compiled functions too.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import trees
from jaxlayers.core import Layer, Variable, scope
from jaxlayers.core.effects import run
from jaxlayers.core.scope import Scope
from jaxlayers.optimizers import Optimizer
from jaxlayers.training.feeding import unpack


def diagnose(model: Any, batch: Any) -> str:
    """Run the training step on a batch again; return a sentence that names the first value that is not finite."""
    watch = _Watch()
    for name, part in zip(("x", "y", "sample_weight"), unpack(batch), strict=True):
        for path, leaf in jax.tree_util.tree_leaves_with_path(part):
            watch.see(f"the batch: {name}{jax.tree_util.keystr(path)}", leaf)
    for _, variable in model._tracked_walk.entries:
        watch.see(f"the weight {variable.path!r}, before the step", scope.read(variable))
    try:
        with watch.on(model):
            logs, effects = run(Scope.lifted(), model._as_step("train_step"), batch)
    except Exception as error:  # the step was compiled before; the cause of the failure may be what differs
        return f"The step could not be run again: {type(error).__name__}: {error}"
    if isinstance(logs, dict):
        watch.see("the loss", logs.get("loss"))
    watch.see_gradients()
    for key, value in zip(effects.keys, effects.values, strict=True):
        if isinstance(key, Variable):
            watch.see(f"the new value of {key.path!r}", value)
    jax.effects_barrier()
    return watch.sentence()


class _Watch:
    """A record of the values of one step, in the order in which they are computed."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._bad: dict[int, str] = {}  # by the place in `_names`: the description of a value that is not finite
        self._last_call: dict[int, int] = {}  # by the identity of a layer: the place of its last output
        self._outputs: dict[int, str] = {}  # by the place in `_names`: the path and class of a layer
        self._gradients: list[tuple[Variable, Any]] = []

    def see(self, name: str, values: Any) -> None:
        """Examine all arrays in a structure once they are computed."""
        place = len(self._names)
        self._names.append(name)
        for leaf in jax.tree.leaves(values):
            if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
                note = functools.partial(self._note, place, jnp.shape(leaf))
                jax.debug.callback(note, jnp.sum(jnp.isnan(leaf)), jnp.sum(jnp.isinf(leaf)))

    def _note(self, place: int, shape: tuple[int, ...], nans: Any, infinities: Any) -> None:
        counts = [f"{int(n)} {kind}" for n, kind in ((nans, "NaN"), (infinities, "infinite")) if n]
        if counts:
            self._bad.setdefault(place, f"{' and '.join(counts)} in an array of shape {shape}")

    def see_gradients(self) -> None:
        """Examine the gradients in the order of the backward pass: those of the layers that were called last first."""
        last = self._last_call
        ordered = sorted(self._gradients, key=lambda pair: last.get(id(pair[0].owner), 0))
        for variable, gradient in reversed(ordered):
            self.see(f"the gradient of {variable.path!r}", gradient)

    def sentence(self) -> str:
        """Return a sentence about the first value that is not finite."""
        if not self._bad:
            return "All values were finite when the step was run again."
        first = min(self._bad)
        text = f"The first value that is not finite is in {self._names[first]} ({self._bad[first]})."
        layers = [place for place in sorted(self._bad) if place in self._outputs]
        if layers and layers[0] != first:
            text += f" The first layer with such an output is {self._outputs[layers[0]]}."
        return text

    @contextlib.contextmanager
    def on(self, model: Any) -> Iterator[None]:
        """Watch the layers, the loss and the optimizers of a model."""
        wrapped: list[tuple[Any, str, Any]] = [(model, "compute_loss", self._watch_loss)]
        wrapped += [(part, "call", self._watch_call) for part in model._tracked_objects if isinstance(part, Layer)]
        wrapped += [(part, "apply", self._watch_update) for part in vars(model).values() if isinstance(part, Optimizer)]
        before = [(part, name, vars(part).get(name)) for part, name, _ in wrapped]
        try:
            for part, name, wrap in wrapped:  # past `__setattr__`: compiled functions need not know
                method = getattr(part, name)
                vars(part)[name] = functools.wraps(method)(wrap(part, method))
            yield
        finally:
            for part, name, own in before:
                if own is None:
                    vars(part).pop(name, None)
                else:
                    vars(part)[name] = own

    def _watch_loss(self, model: Any, method: Callable[..., Any]) -> Callable[..., Any]:
        def compute_loss(*args: Any, **kwargs: Any) -> Any:
            loss = method(*args, **kwargs)
            self.see("the loss", loss)
            return loss

        return compute_loss

    def _watch_call(self, layer: Any, method: Callable[..., Any]) -> Callable[..., Any]:
        title = f"{layer.path!r} ({type(layer).__name__})"

        def call(*args: Any, **kwargs: Any) -> Any:
            self.see(f"the inputs of {title}, computed by operations between layers", (args, kwargs))
            outputs = method(*args, **kwargs)
            self._last_call[id(layer)] = len(self._names)
            self._outputs[len(self._names)] = title
            self.see(f"the outputs of {title}", outputs)
            return outputs

        return call

    def _watch_update(self, optimizer: Any, method: Callable[..., Any]) -> Callable[..., Any]:
        def apply(grads: Any, trainable_variables: Any = None) -> Any:
            variables = optimizer._parameters() if trainable_variables is None else trainable_variables
            variables = jax.tree.map(_trainable, variables, is_leaf=_is_facade)
            pairs = zip(jax.tree.leaves(variables, is_leaf=_is_facade), _leaves(grads), strict=False)
            self._gradients += [(variable, gradient) for variable, gradient in pairs if gradient is not None]
            return method(grads, trainable_variables)

        return apply


def _trainable(facade: Any) -> Any:
    """Return the trainable variables of a layer in the places of their arrays in `params`; a variable as it is."""
    if not isinstance(facade, Layer):
        return facade
    return trees.nest((path, variable) for path, variable in facade._tracked_walk.entries if variable.trainable)


def _is_facade(leaf: Any) -> bool:
    return isinstance(leaf, Variable | Layer)


def _leaves(gradients: Any) -> list[Any]:
    return jax.tree.leaves(gradients, is_leaf=lambda leaf: leaf is None)
