"""Calls of layers on symbolic tensors, and the shapes of their outputs."""

from __future__ import annotations

import inspect
import weakref
from typing import Any

import jax

from jaxlayers.common import masks
from jaxlayers.common.call_spec import has_arrays, shape_tree
from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.core import borrowing, building, inference, operations, symbolic
from jaxlayers.core.symbolic import SymbolicTensor


class Symbolic:
    """The part of `Layer` that is about symbolic tensors."""

    # The calls of the layer on symbolic tensors. A node holds its layer, so the layer refers to the node weakly. An
    # output of the call, or a model made from it, keeps the node alive. Of the first call the layer keeps the arguments
    # and the weak references to the outputs, so that `input` and `output` can create its node again.
    _symbolic_nodes: tuple[weakref.ref[symbolic.Node], ...] = ()
    _first_call: tuple[Any, ...] = ()

    def _call_symbolic(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        build = building.Build.here()
        try:
            specs = inference.infer(self, args, kwargs, build)
        except BaseException as error:
            build.undo()
            declares_spec = type(self).compute_output_spec is not Symbolic.compute_output_spec
            if not isinstance(error, Exception) or not (declares_spec or self._can_declare_shape_after(error)):
                raise
            specs = _declared_specs(self, args, kwargs, declares_spec)
        node, outputs = operations.record(self, args, kwargs, specs)
        if not self._symbolic_nodes:
            object.__setattr__(self, "_first_call", (args, kwargs, node.weak_outputs))
        object.__setattr__(self, "_symbolic_nodes", (*self._symbolic_nodes, weakref.ref(node)))
        building.note_shapes(self, *self._call_spec.build_arguments(args, kwargs))  # unknown sizes as None
        inputs = self._call_spec.first(args, kwargs)
        self._pass_mask(inputs, masks.previous_mask(inputs, kwargs), outputs)
        return outputs

    def _can_declare_shape_after(self, error: Exception) -> bool:
        """True if `compute_output_shape` gives the shapes of the outputs when an abstract run has failed."""
        return not building.is_default(type(self).compute_output_shape)

    def _record_calls(self) -> None:
        """Call the layers inside on symbolic tensors, where their inputs are known; models override this."""

    @property
    def input(self) -> Any:
        """The arguments of the first call on symbolic tensors.

        Raises:
            AttributeError: when there was none.
        """
        node = self._first_node()
        return node.args[0] if len(node.args) == 1 else node.inputs

    @property
    def output(self) -> Any:
        """The result of the first call on symbolic tensors, where a graph can be cut or continued.

        Raises:
            AttributeError: when there was none.
        """
        return self._first_node().outputs

    def _first_node(self: Any) -> symbolic.Node:
        if not self._symbolic_nodes:
            for owner in self._self_and_owners()[1:]:
                if isinstance(owner, Symbolic):
                    owner._record_calls()
        if not self._symbolic_nodes:
            raise AttributeError(f"{self.path!r} was not called on symbolic tensors: it has no input or output.")
        node = self._symbolic_nodes[0]()
        if node is None:
            node = symbolic.Node(self, *self._first_call)
            object.__setattr__(self, "_symbolic_nodes", (weakref.ref(node), *self._symbolic_nodes[1:]))
        return node

    @ends_in_user_code
    def compute_output_shape(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the shape of the outputs for inputs of a shape, None being an unknown size; nothing is built.

        The shape is found by an abstract run of the call. A subclass overrides the method if `call` cannot be run
        abstractly: because it uses libraries other than JAX, or fails for all that stands for unknown sizes.
        """
        specs = _output_specs(self, args, kwargs)
        return jax.tree.map(lambda spec: spec[0], specs, is_leaf=inference.is_spec)

    @ends_in_user_code
    def compute_output_spec(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Return symbolic tensors with the shapes and dtypes of the outputs for inputs like these.

        A subclass overrides the method where it would override `compute_output_shape`, to give dtypes as well.
        """
        try:
            specs = inference.infer(borrowing.call_abstractly(self), args, kwargs)
        except Exception as error:
            if not self._can_declare_shape_after(error):
                raise
            specs = _declared_specs(self, args, kwargs)
        return jax.tree.map(lambda s: SymbolicTensor(*s), specs, is_leaf=inference.is_spec)


def _output_specs(layer: Any, args: Any, kwargs: Any) -> Any:
    """Shapes and dtypes of the outputs for inputs of some shapes."""

    def tensor(shape: Any) -> Any:
        return SymbolicTensor(shape, layer.compute_dtype)

    flags = {name: value for name, value in kwargs.items() if value is None or isinstance(value, bool | str)}
    shapes = {name: shape for name, shape in kwargs.items() if name not in flags}
    named = {name.removesuffix("_shape"): inference.map_shapes(tensor, shape) for name, shape in shapes.items()}
    # The name input_shape= is accepted for any first parameter.
    if "input" in named and "input" not in layer._call_spec.all_names:
        named = {layer._call_spec.names[0]: named.pop("input"), **named}
    tensors = tuple(inference.map_shapes(tensor, shape) for shape in args)
    return inference.infer(borrowing.call_abstractly(layer), tensors, {**named, **flags})


def _declared_specs(layer: Any, args: Any, kwargs: Any, declares_spec: bool = False) -> Any:
    """Shapes and dtypes of the outputs as the layer's own method gives them; builds the layer.

    The method is `compute_output_spec` if `declares_spec` is True, otherwise `compute_output_shape`.
    """
    shapes, named = layer._call_spec.build_arguments(args, kwargs)
    if not layer.built and not building.is_default(type(layer).build):
        layer.build(*shapes, **named)
    if declares_spec:
        outputs = layer.compute_output_spec(*args, **kwargs)
        return jax.tree.map(lambda output: inference.Spec((tuple(output.shape), output.dtype)), outputs)
    inputs = {f"{n}_shape": shape_tree(v) for n, v in layer._call_spec.named(args, kwargs).items() if has_arrays(v)}
    parameters = inspect.signature(layer.compute_output_shape).parameters
    by_name = len(inputs) > 1 and inputs.keys() <= parameters.keys()
    output = layer.compute_output_shape(**inputs) if by_name else layer.compute_output_shape(*inputs.values())
    return inference.map_shapes(lambda shape: inference.Spec((tuple(shape), layer.compute_dtype)), output)
