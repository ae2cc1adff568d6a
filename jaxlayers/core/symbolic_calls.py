"""What a layer does without numbers: its calls on symbolic tensors, and the shapes of what comes out."""

from __future__ import annotations

from typing import Any

import jax

from jaxlayers.common.errors import ends_in_user_code
from jaxlayers.core import building, masks, symbolic
from jaxlayers.core.symbolic import SymbolicTensor


class Symbolic:
    """The part of a layer that is about symbolic tensors."""

    _nodes: tuple[symbolic.Node, ...] = ()  # its calls on symbolic tensors

    def _call_symbolic(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kept: dict[int, Any] = {}
        try:
            specs = symbolic.infer(self, args, kwargs, kept, lambda: building.undo(kept))
        except BaseException as error:
            building.undo(kept)
            if not isinstance(error, Exception) or building.is_default(type(self).compute_output_shape):
                raise
            specs = building.declared_specs(self, args, kwargs)
        node = symbolic.record(self, args, kwargs, specs)
        object.__setattr__(self, "_nodes", (*self._nodes, node))
        outputs = node.outputs
        building.note_shapes(self, *self._call_spec.build_arguments(args, kwargs))  # with what is unknown as None
        given = self._call_spec.first(args, kwargs)
        self._pass_mask(given, masks.previous_mask(given, kwargs), outputs)
        return outputs

    def _record_calls(self) -> None:
        """Call the layers inside on symbolic tensors, where it is known on which; models that know have their own."""

    @property
    def input(self) -> Any:
        """What it was first called with on symbolic tensors.

        Raises:
            AttributeError: when it was not.
        """
        node = self._first_node()
        return node.args[0] if len(node.args) == 1 else node.inputs

    @property
    def output(self) -> Any:
        """What that call returned: where a graph can be cut, or go on.

        Raises:
            AttributeError: when there was none.
        """
        return self._first_node().outputs

    def _first_node(self: Any) -> symbolic.Node:
        if not self._nodes:
            for owner in self._above()[1:]:
                if isinstance(owner, Symbolic):
                    owner._record_calls()
        if self._nodes:
            return self._nodes[0]
        raise AttributeError(
            f"{self.path!r} was not called on symbolic tensors, so it has no symbolic input and output."
        )

    @ends_in_user_code
    def compute_output_shape(self: Any, *args: Any, **kwargs: Any) -> Any:
        """The shape of the outputs for inputs of a shape, None being an unknown size; nothing is built.

        It is found by an abstract run of the call. A subclass's own version serves where there can be none: where the
        call leaves JAX, or cannot do with the sizes that stand for unknown ones.
        """
        specs = building.output_specs(self, args, kwargs)
        return jax.tree.map(lambda spec: spec[0], specs, is_leaf=lambda s: isinstance(s, symbolic.Spec))

    @ends_in_user_code
    def compute_output_spec(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Symbolic tensors like the outputs for inputs like these."""
        try:
            specs = symbolic.infer(building.abstractly(self), args, kwargs)
        except Exception:
            if building.is_default(type(self).compute_output_shape):
                raise
            specs = building.declared_specs(self, args, kwargs)
        return jax.tree.map(lambda s: SymbolicTensor(*s), specs, is_leaf=lambda s: isinstance(s, symbolic.Spec))
