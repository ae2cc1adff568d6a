"""The graph of a functional model: a list of calls, each after the calls it depends on.

A symbolic tensor refers to the call that made it. `record` walks once from the outputs back to the inputs and returns
a `Graph`, which runs its calls in order without a walk. Numbered `Slot`s stand for the values between calls. So a
graph is plain data apart from its functions: it can be copied, pickled, and run on other inputs with other layers.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import jax

from jaxlayers.common.explanations import describe
from jaxlayers.core import Layer, SymbolicTensor, Variable
from jaxlayers.core.symbolic import Node
from jaxlayers.layers import InputLayer


class Slot:
    """The place of one value in a graph.

    Attributes:
        number: the index of the value in the list of all values of a run.
        shape: the shape of the value; None stands for an unknown size.
        dtype: the dtype of the value.
    """

    __slots__ = ("dtype", "number", "shape")

    def __init__(self, number: int, shape: Any, dtype: str):
        self.number, self.shape, self.dtype = number, shape, dtype

    def __repr__(self) -> str:
        return f"<slot {self.number}>"


class Call:
    """One call of a layer or operation: its arguments, with slots for values, and the slots of its results."""

    __slots__ = ("_leaves", "_reads", "_simple", "_structure", "args", "function", "kwargs", "outputs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any):
        self.function, self.args, self.kwargs, self.outputs = function, args, kwargs, outputs
        self._leaves, self._structure = jax.tree.flatten((args, kwargs), is_leaf=_is_whole)
        self._reads = [(i, leaf.number) for i, leaf in enumerate(self._leaves) if isinstance(leaf, Slot)]
        self._simple = not kwargs and all(isinstance(arg, Slot) for arg in args) and isinstance(outputs, Slot)

    def run(self, values: list[Any], function: Callable[..., Any] | None = None) -> None:
        """Call the function on arguments from `values`, and write its results there.

        Args:
            values: the values of all slots, by number.
            function: called instead of the call's own function, if given.
        """
        function = self.function if function is None else function
        if self._simple:
            values[self.outputs.number] = function(*[values[number] for _, number in self._reads])
            return
        leaves = list(self._leaves)
        for place, number in self._reads:
            leaves[place] = values[number]
        args, kwargs = jax.tree.unflatten(self._structure, leaves)
        results = function(*args, **kwargs)
        for slot, value in zip(jax.tree.leaves(self.outputs), _leaves_like(self.outputs, results), strict=True):
            values[slot.number] = value

    def __reduce__(self) -> Any:
        return Call, (self.function, self.args, self.kwargs, self.outputs)


class Graph:
    """A computation from inputs to outputs.

    Attributes:
        inputs: the slots of the inputs, in the structure of the inputs.
        outputs: the slots of the outputs, in the structure of the outputs.
        losses: the slots of the values that are added to the losses.
        sources: the `InputLayer` of each input, in the order of the input slots.
        calls: all calls, each after the calls it depends on.
        layers: every layer once, including the input layers, in the order of Keras's `Model.layers`.
    """

    def __init__(self, inputs: Any, outputs: Any, losses: list[Slot], sources: list[InputLayer], calls: list[Call]):
        self.inputs, self.outputs, self.losses = inputs, outputs, losses
        self.sources, self.calls = sources, calls
        self.layers = _sorted_layers(self)
        slots = [*jax.tree.leaves(inputs), *(slot for call in calls for slot in jax.tree.leaves(call.outputs))]
        self._size = 1 + max(slot.number for slot in slots)

    def run(self, inputs: list[Any], function_of: Callable[[Call], Any] | None = None) -> tuple[Any, list[Any]]:
        """Run all calls; return the outputs and the values of the losses.

        Args:
            inputs: a value for each input, in the order of the input slots: arrays, or symbolic tensors to record
                the graph again.
            function_of: a function from a `Call` to the function to call instead of its own.
        """
        values: list[Any] = [None] * self._size
        for slot, value in zip(jax.tree.leaves(self.inputs), inputs, strict=True):
            values[slot.number] = value
        for call in self.calls:
            call.run(values, None if function_of is None else function_of(call))
        outputs = fill(self.outputs, values)
        return outputs, [values[slot.number] for slot in self.losses]

    @property
    def variables(self) -> list[Variable]:
        """The variables that are arguments of calls and belong to no layer of the graph."""
        variables = [leaf for call in self.calls for leaf in call._leaves if isinstance(leaf, Variable)]
        return list(dict.fromkeys(variables))

    def __reduce__(self) -> Any:
        return Graph, (self.inputs, self.outputs, self.losses, self.sources, self.calls)


def fill(slots: Any, values: Any) -> Any:
    """Return a structure with the value of each slot, by its number.

    A dict keeps its order; `jax.tree.map` would sort it.
    """
    if type(slots) is dict:
        return {key: fill(slot, values) for key, slot in slots.items()}
    if type(slots) in (list, tuple):
        return type(slots)(fill(slot, values) for slot in slots)
    return jax.tree.map(lambda slot: values[slot.number], slots)


def record(inputs: Any, outputs: Any, losses: list[SymbolicTensor]) -> Graph:
    """Return the graph from symbolic inputs to symbolic outputs.

    Args:
        inputs: symbolic tensors in any structure: made by `Input`, or in the middle of a larger graph.
        outputs: symbolic tensors in any structure.
        losses: symbolic tensors that the graph computes too, and adds to the losses.

    Raises:
        ValueError: if a leaf is no symbolic tensor, a tensor is an input twice, or the outputs depend on an input that
            is not in `inputs`.
    """
    starts, ends = jax.tree.leaves(inputs), jax.tree.leaves(outputs)
    for role, tensors in (("inputs", starts), ("outputs", ends), ("losses", losses)):
        wrong = [tensor for tensor in tensors if not isinstance(tensor, SymbolicTensor)]
        if wrong or (not tensors and role != "losses"):
            received = describe(wrong[0]) if wrong else "none"
            raise ValueError(
                f"A functional model's {role} must be symbolic tensors, which come from Input(); received {received}."
            )
    numbers = {id(tensor): number for number, tensor in enumerate(starts)}
    if len(numbers) < len(starts):
        raise ValueError(f"The same tensor is an input twice: {[tensor.name for tensor in starts]}.")
    sources = [source_of(tensor) for tensor in starts]
    calls = []

    def with_slots(tree: Any) -> Any:
        return jax.tree.map(
            lambda t: Slot(numbers[id(t)], t.shape, t.dtype) if isinstance(t, SymbolicTensor) else t,
            tree,
            is_leaf=_is_whole,
        )

    nodes = _sorted_nodes([*ends, *losses], numbers)
    results = [node.outputs for node in nodes]  # keeps the tensors alive while they are numbered by identity
    for node, result in zip(nodes, results, strict=True):
        for tensor in jax.tree.leaves(result):
            numbers.setdefault(id(tensor), len(numbers))
        calls.append(Call(node.function, with_slots(node.args), with_slots(node.kwargs), with_slots(result)))

    ordered = _in_order_of(with_slots(inputs), inputs), _in_order_of(with_slots(outputs), outputs)
    return Graph(*ordered, with_slots(losses), sources, calls)


def _in_order_of(tree: Any, like: Any) -> Any:
    """Return a dict with its keys in the order of `like`: `jax.tree.map` has sorted them."""
    return {key: tree[key] for key in like} if type(like) is dict else tree


def _sorted_nodes(ends: list[SymbolicTensor], inputs: Container[int]) -> list[Node]:
    """Return the nodes that tensors depend on, each after the nodes it depends on.

    A stack instead of recursion, because a deep graph would exceed Python's recursion limit.

    Args:
        ends: the tensors.
        inputs: the ids of the tensors at which the search stops.
    """
    done: dict[int, Node] = {}
    stack: list[tuple[SymbolicTensor, bool]] = [(tensor, False) for tensor in reversed(ends)]
    while stack:
        tensor, visited = stack.pop()
        if id(tensor) in inputs or id(tensor.node) in done:
            continue
        node = tensor.node
        if node is None or isinstance(node.function, InputLayer):
            raise ValueError(
                f"The outputs depend on {tensor!r}, which is not among the inputs. Add it to inputs=, or start the "
                "model at a tensor computed from it."
            )
        if visited:
            done[id(node)] = node
        else:
            stack.append((tensor, True))
            stack += [(above, False) for above in reversed(node.inputs)]
    return list(done.values())


def source_of(tensor: SymbolicTensor) -> InputLayer:
    """Return the `InputLayer` with the name, shape and dtype of an input."""
    if tensor.node is not None and isinstance(tensor.node.function, InputLayer):
        return tensor.node.function
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype)  # the graph begins in the middle of another


def _sorted_layers(graph: Graph) -> list[Layer]:
    """Return the layers in Keras's order: farthest from the outputs first.

    Layers at the same distance come in the order in which a search from the outputs back to the inputs meets them.
    """
    makers: dict[int, Any] = {
        slot.number: layer for slot, layer in zip(jax.tree.leaves(graph.inputs), graph.sources, strict=True)
    }
    makers.update({slot.number: call for call in graph.calls for slot in jax.tree.leaves(call.outputs)})
    distances, places = _distances(graph, makers), _search_order(graph, makers)
    layers: list[Any] = [*graph.sources, *(call.function for call in graph.calls if isinstance(call.function, Layer))]
    layers = list({id(layer): layer for layer in layers}.values())
    return sorted(layers, key=lambda layer: (-distances[id(layer)], places.get(id(layer), -1)))


def _search_order(graph: Graph, makers: dict[int, Any]) -> dict[int, int]:
    """Return the place of each layer and operation, by id, in a depth-first search from the outputs."""
    places: dict[int, int] = {}
    stack = [slot.number for slot in reversed([*jax.tree.leaves(graph.outputs), *graph.losses])]
    seen: set[int] = set()
    while stack:
        maker = makers[stack.pop()]
        if id(maker) in seen:
            continue
        seen.add(id(maker))
        places.setdefault(id(_layer_or_operation(maker)), len(places))
        if isinstance(maker, Call):
            stack += [number for _, number in reversed(maker._reads)]
    return places


def _distances(graph: Graph, makers: dict[int, Any]) -> dict[int, int]:
    """Return the distance from the outputs of each layer and operation, by id: that of its farthest call."""
    of_layer: dict[int, int] = {}
    of_maker: dict[int, int] = {}  # of single calls, and of input layers
    for call in reversed(graph.calls):
        layer = id(_layer_or_operation(call))
        distance = max(of_maker.get(id(call), 0), of_layer.get(layer, 0))
        of_maker[id(call)] = of_layer[layer] = distance
        for _, number in call._reads:
            maker = id(makers[number])
            of_maker[maker] = max(of_maker.get(maker, 0), distance + 1)
    for source in graph.sources:
        of_layer[id(source)] = of_maker.get(id(source), 0)
    return of_layer


def _layer_or_operation(maker: Any) -> Any:
    """Return the layer of a call. A call of an operation stands for the operation, which has no identity of its own."""
    return maker.function if isinstance(maker, Call) and isinstance(maker.function, Layer) else maker


def _is_whole(leaf: Any) -> bool:
    """True for an object that `jax.tree` must treat as a leaf."""
    return isinstance(leaf, Variable | Slot)


def _leaves_like(structure: Any, values: Any) -> list[Any]:
    """Return the parts of `values` at the leaves of a structure."""
    definition: Any = jax.tree.structure(structure)
    return definition.flatten_up_to(values)
