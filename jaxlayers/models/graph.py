"""What lies between symbolic tensors, as a list of calls in an order in which they can be made.

A symbolic tensor knows the call that made it; `record` walks from the outputs back to the inputs once, and what it
returns needs no walking any more. The places where values stand between calls are numbered `Slot`s, so a graph is
plain data beside its functions: it can be copied, pickled, and made again on other inputs with other layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxlayers.core import Layer, SymbolicTensor, Variable
from jaxlayers.core.symbolic import Node
from jaxlayers.layers import InputLayer


class Slot:
    """The place of a value of some shape (None is an unknown size) and dtype, in the structure where it belongs."""

    __slots__ = ("dtype", "number", "shape")

    def __init__(self, number: int, shape: Any, dtype: str):
        self.number, self.shape, self.dtype = number, shape, dtype

    def __repr__(self) -> str:
        return f"<slot {self.number}>"


class Call:
    """One call: a layer or operation, its arguments with slots in them, and the slots of what it returns."""

    __slots__ = ("_leaves", "_reads", "_simple", "_structure", "args", "function", "kwargs", "outputs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any):
        self.function, self.args, self.kwargs, self.outputs = function, args, kwargs, outputs
        self._leaves, self._structure = jax.tree.flatten((args, kwargs), is_leaf=_is_whole)
        self._reads = [(i, leaf.number) for i, leaf in enumerate(self._leaves) if isinstance(leaf, Slot)]
        self._simple = not kwargs and all(isinstance(arg, Slot) for arg in args) and isinstance(outputs, Slot)

    def run(self, values: list[Any], function: Callable[..., Any] | None = None) -> None:
        """Read arguments from `values`, and write results there."""
        function = self.function if function is None else function
        if self._simple:
            values[self.outputs.number] = function(*[values[number] for _, number in self._reads])
            return
        filled = list(self._leaves)
        for place, number in self._reads:
            filled[place] = values[number]
        args, kwargs = jax.tree.unflatten(self._structure, filled)
        results = function(*args, **kwargs)
        for slot, value in zip(jax.tree.leaves(self.outputs), _leaves_like(self.outputs, results), strict=True):
            values[slot.number] = value

    def __reduce__(self) -> Any:
        return Call, (self.function, self.args, self.kwargs, self.outputs)


class Graph:
    """A computation from inputs to outputs.

    Attributes:
        inputs: slots in the structure that the inputs have.
        outputs: slots in the structure that the outputs have.
        losses: slots of values that are added to the losses.
        sources: an `InputLayer` for each input, in the order of their slots.
        calls: all calls, each after those it depends on.
        layers: every layer once, the inputs' among them, in the order of Keras's `layers`.
    """

    def __init__(self, inputs: Any, outputs: Any, losses: list[Slot], sources: list[InputLayer], calls: list[Call]):
        self.inputs, self.outputs, self.losses = inputs, outputs, losses
        self.sources, self.calls = sources, calls
        self.layers = _in_order(self)
        every = [*jax.tree.leaves(inputs), *(slot for call in calls for slot in jax.tree.leaves(call.outputs))]
        self._size = 1 + max(slot.number for slot in every)

    def run(self, inputs: list[Any], function_of: Callable[[Call], Any] | None = None) -> tuple[Any, list[Any]]:
        """The outputs, and the values for the losses.

        Args:
            inputs: a value for each input, in the order of their slots: arrays, or symbolic tensors to record anew.
            function_of: what to call in the place of each call's own function.
        """
        values: list[Any] = [None] * self._size
        for slot, value in zip(jax.tree.leaves(self.inputs), inputs, strict=True):
            values[slot.number] = value
        for call in self.calls:
            call.run(values, None if function_of is None else function_of(call))
        outputs = _filled(self.outputs, values)
        return outputs, [values[slot.number] for slot in self.losses]

    @property
    def variables(self) -> list[Variable]:
        """Variables that stand among the arguments of calls, outside of every layer."""
        found = [leaf for call in self.calls for leaf in call._leaves if isinstance(leaf, Variable)]
        return list(dict.fromkeys(found))

    def __reduce__(self) -> Any:
        return Graph, (self.inputs, self.outputs, self.losses, self.sources, self.calls)


def _filled(slots: Any, values: list[Any]) -> Any:
    """Values in the places of their slots; dicts in the order they were written in, which JAX would sort."""
    if type(slots) is dict:
        return {key: _filled(slot, values) for key, slot in slots.items()}
    if type(slots) in (list, tuple):
        return type(slots)(_filled(slot, values) for slot in slots)
    return jax.tree.map(lambda slot: values[slot.number], slots)


def record(inputs: Any, outputs: Any, losses: list[SymbolicTensor]) -> Graph:
    """The graph between symbolic tensors.

    Args:
        inputs: symbolic tensors in any structure: made by `Input`, or in the middle of a larger graph.
        outputs: symbolic tensors in any structure.
        losses: further ones to be computed.

    Raises:
        ValueError: when something else stands there, an input stands there twice, or the outputs depend on an input
            that is not among `inputs`.
    """
    starts, ends = jax.tree.leaves(inputs), jax.tree.leaves(outputs)
    for what, tensors in (("inputs", starts), ("outputs", ends), ("losses", losses)):
        wrong = [tensor for tensor in tensors if not isinstance(tensor, SymbolicTensor)]
        if wrong or (not tensors and what != "losses"):
            raise ValueError(
                f"A functional model's {what} must be symbolic tensors, which come from Input(); received "
                f"{wrong[0] if wrong else tensors!r} of type {type(wrong[0] if wrong else tensors).__name__}."
            )
    numbers = {id(tensor): number for number, tensor in enumerate(starts)}
    if len(numbers) < len(starts):
        raise ValueError(f"The same tensor is an input twice: {[tensor.name for tensor in starts]}.")
    sources = [source_of(tensor) for tensor in starts]
    calls = []

    def place(tree: Any) -> Any:
        return jax.tree.map(
            lambda t: Slot(numbers[id(t)], t.shape, t.dtype) if isinstance(t, SymbolicTensor) else t,
            tree,
            is_leaf=_is_whole,
        )

    nodes = _sorted_nodes([*ends, *losses], numbers)
    results = [node.outputs for node in nodes]  # hold those that nobody else holds, while they are numbered
    for node, result in zip(nodes, results, strict=True):
        for tensor in jax.tree.leaves(result):
            numbers.setdefault(id(tensor), len(numbers))
        calls.append(Call(node.function, place(node.args), place(node.kwargs), place(result)))

    ordered = _ordered(place(inputs), inputs), _ordered(place(outputs), outputs)
    return Graph(*ordered, place(losses), sources, calls)


def _ordered(tree: Any, like: Any) -> Any:
    """A dict with its keys in the order of another, which JAX has sorted."""
    return {key: tree[key] for key in like} if type(like) is dict else tree


def _sorted_nodes(ends: list[SymbolicTensor], known: dict[int, int]) -> list[Node]:
    """The nodes that tensors depend on, each after those it depends on itself; without recursion, for deep graphs."""
    done: dict[int, Node] = {}
    stack: list[tuple[SymbolicTensor, bool]] = [(tensor, False) for tensor in reversed(ends)]
    while stack:
        tensor, visited = stack.pop()
        if id(tensor) in known or id(tensor.node) in done:
            continue
        node = tensor.node
        if node is None or isinstance(node.function, InputLayer):
            raise ValueError(
                f"The outputs depend on {tensor!r}, which is not among the inputs. Add it to inputs=, or cut the "
                "graph behind it."
            )
        if visited:
            done[id(node)] = node
        else:
            stack.append((tensor, True))
            stack += [(above, False) for above in reversed(node.inputs)]
    return list(done.values())


def source_of(tensor: SymbolicTensor) -> InputLayer:
    """What says the name, shape and dtype of an input."""
    if tensor.node is not None and isinstance(tensor.node.function, InputLayer):
        return tensor.node.function
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype)  # the graph begins in the middle of another


def _in_order(graph: Graph) -> list[Layer]:
    """The layers as Keras orders them: by their distance from the outputs, then as found on the way back from those."""
    maker = {slot.number: call for call in graph.calls for slot in jax.tree.leaves(call.outputs)}
    source = {slot.number: layer for slot, layer in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True)}

    def what(call: Any) -> Any:
        return call.function if isinstance(getattr(call, "function", None), Layer) else call

    found: dict[int, int] = {}  # when each layer or operation was first met, coming from the outputs
    stack = [slot.number for slot in reversed([*jax.tree.leaves(graph.outputs), *graph.losses])]
    seen: set[int] = set()
    while stack:
        number = stack.pop()
        call: Any = maker.get(number, source.get(number))
        if id(call) in seen:
            continue
        seen.add(id(call))
        found.setdefault(id(what(call)), len(found))
        stack += [number for _, number in reversed(getattr(call, "_reads", []))]
    depth: dict[int, int] = {}  # of layers and operations
    far: dict[int, int] = {}  # of calls
    for call in reversed(graph.calls):
        here = max(far.get(id(call), 0), depth.get(id(what(call)), 0))
        far[id(call)] = depth[id(what(call))] = here
        for _, number in call._reads:
            above: Any = maker.get(number, source.get(number))
            far[id(above)] = max(far.get(id(above), 0), here + 1)
    for layer in graph.sources:
        depth[id(layer)] = far.get(id(layer), 0)
    every: list[Any] = [*graph.sources, *(call.function for call in graph.calls if isinstance(call.function, Layer))]
    every = list({id(layer): layer for layer in every}.values())
    return sorted(every, key=lambda layer: (-depth[id(layer)], found.get(id(layer), -1)))


def _is_whole(leaf: Any) -> bool:
    return isinstance(leaf, Variable | Slot)


def _leaves_like(structure: Any, values: Any) -> list[Any]:
    definition: Any = jax.tree.structure(structure)
    return definition.flatten_up_to(values)
