"""One block run many times: a loop over stacked weights instead of as many copies of its program.

`Repeat` holds one layer as a template, whose own variables never get arrays, and stacked variables, which are its
weights. The loop is `lax.scan`: each iteration calls the template as an outermost layer, in a scope in which its
variables hold one block's arrays. So everything that a block can do works inside: its writes come out stacked, its
losses are summed over the blocks, and its draws start from a key for each block.

The loop is a pure function, compiled once for each signature: eager calls are one dispatch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import registry, trees
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.masks import get_mask, set_mask
from jaxlayers.common.settings import is_float
from jaxlayers.core import Layer, Variable, building, random, scope
from jaxlayers.core.effects import LossKey, run
from jaxlayers.core.protocols import Role
from jaxlayers.core.scope import KeyStream, Scope
from jaxlayers.layers._config import positive
from jaxlayers.layers._stacking import Hidden, Stacked, idle_key, stacked
from jaxlayers.layers.copying import copy_from_config
from jaxlayers.layers.wrappers import InnerLayers
from jaxlayers.numerics.types import wide
from jaxlayers.transforms.remat import checkpoint_policy


class Repeat(InnerLayers):
    """Runs a block n times, each time with weights of its own: `x = block_i(x)` for i from 0 to n - 1.

    What is compiled is one block, in a `lax.scan` over the stacked weights, so the time to trace and compile does not
    grow with n; the results are those of n layers, one after the other.

    A weight has the path `block/<path in the block>`, and its first axis is the axis of blocks:
    `params["block"]["dense"]["kernel"][i]` is `blocks[i].params["dense"]["kernel"]`. Each block has initial values of
    its own, regularizers and constraints see the blocks one by one, losses that blocks add are summed, and
    random draws differ from block to block. An optimizer sees one array for all blocks.

    Args:
        block: a layer, which is copied by its config (its own weights are not used), or a function without arguments
            that makes one. The outputs of the block must have the structure, shapes and dtypes of its inputs.
        n: the number of blocks.
        unroll: the number of blocks in one iteration of the loop, or True for all; 1 by default. See `jax.lax.scan`.
        remat: if True, intermediate values of blocks are computed again for the gradient instead of being kept. A
            policy of `jax.checkpoint`, or the name of one in `jax.checkpoint_policies` (`"dots_saveable"`, ...),
            selects values that are kept nevertheless. False by default.
        **kwargs: `name`, `dtype`, ... of `Layer`; `trainable` is by default that of the block.

    Shapes:
        inputs and outputs: those of the block; further arguments of the call go to every block.
        weights: `[n, ...]`, where `...` is the shape of the block's weight.

    Raises:
        TypeError: when `block` is no layer and makes none.
        ValueError: when n is no positive integer, the layer cannot be copied, or `remat` is unknown; when called, if
            the block's outputs differ from its inputs in form, or the block uses variables that are not its own.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> repeat = jl.layers.Repeat(jl.layers.Dense(2, use_bias=False, kernel_initializer="ones"), 3)
        >>> repeat(jnp.ones((1, 2))).tolist()
        [[8.0, 8.0]]
        >>> repeat.blocks[1].params = {"kernel": 10 * jnp.eye(2)}
        >>> repeat(jnp.ones((1, 2))).tolist()
        [[40.0, 40.0]]
    """

    _inner_layers = ("block",)
    _config_attributes: ClassVar[dict[str, str | None]] = {"block": None}

    def __init__(self, block: Any, n: int, unroll: int | bool = 1, remat: Any = False, **kwargs: Any):
        template = _copied(block) if isinstance(block, Layer) else block() if callable(block) else block
        if not isinstance(template, Layer):
            raise TypeError(f"Repeat takes a layer, or a function that makes one; received {block!r}.")
        object.__setattr__(self, "_program", _Program(template))
        super().__init__(**{"trainable": template.trainable, **kwargs})
        self.autocast = False  # the block casts its inputs itself
        self.n, self.unroll, self.remat = positive(self, "n", n), unroll, remat
        _policy(remat)

    @property
    def _trainable(self) -> bool:
        return self._program.template.trainable

    @_trainable.setter
    def _trainable(self, value: bool) -> None:
        # Assigning the same value would make frozen parts of the template trainable.
        if value != self._program.template.trainable:
            self._program.template.trainable = value

    def call(self, inputs: Any, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Run the blocks, one after the other."""
        program = self._program
        passed = {**kwargs, "training": training}
        if "_block" not in self.__dict__:
            if not program.template.built:
                building.trace_call(program.template, (inputs, *args), passed, building.Build.here())
            self._block = stacked(program.template, self.n)
        leaves, structure = jax.tree.flatten(jax.tree.map(unwrap, inputs))
        extra, rest = jax.tree.flatten((args, passed))
        dynamic = [i for i, value in enumerate(extra) if hasattr(value, "shape") and hasattr(value, "dtype")]
        static = _Static(
            (self.n, self.unroll, self.remat),
            structure,
            rest,
            tuple((i, value) for i, value in enumerate(extra) if i not in dynamic),
            KeyStream.rules_here(),
            program.settings(),
        )
        arrays = [jnp.asarray(unwrap(extra[i])) for i in dynamic]
        carried = [program.cast(leaf) for leaf in leaves]
        variables = [variable for _, variable in self._block._tracked_walk.entries]
        outputs, discovery, losses, new = program.run(
            self.path,
            static,
            [scope.read(variable) for variable in variables],
            (carried, [get_mask(leaf) for leaf in leaves]),
            (arrays, [get_mask(extra[i]) for i in dynamic]),
        )
        for number, value in zip(discovery.written, new, strict=True):
            variables[number].assign(value)
        for loss in losses:
            self.add_loss(jnp.sum(wide(loss), 0))
        for leaf, mask in zip(*outputs, strict=True):
            set_mask(leaf, mask)
        return jax.tree.unflatten(structure, outputs[0])

    @property
    def blocks(self) -> tuple[RepeatedBlock, ...]:
        """The weights of each block: objects with `params`, `state`, `get_weights()` and `set_weights()`."""
        return tuple(RepeatedBlock(self, number) for number in range(self.n))

    def entries(self) -> list[tuple[tuple[str, ...], Variable]]:
        """Return (path in the block, stacked variable) pairs, in the order of the block's `weights`."""
        if "_block" not in self.__dict__:
            raise ValueError(f"{self.path!r} is not built, so its blocks have no weights. Call it, or build(), first.")
        return self._block._tracked_walk.entries

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor as plain data; the block as a config of its own."""
        described = {"block": self._program.template, "remat": self.remat}
        return {**super().get_config(), **registry.describe(described)}

    _program: _Program

    @property
    def _apart(self) -> tuple[Layer, ...]:
        """The layers in the config that are not part of this layer."""
        return (self._program.template,)

    _block: Stacked


class RepeatedBlock:
    """One block's part of the weights of a `Repeat`; assigned arrays go into the stacked ones.

    Args:
        owner: the layer.
        number: the number of the block.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> repeat = jl.layers.Repeat(jl.layers.Dense(2), 3)
        >>> _ = repeat(jnp.ones((1, 2)))
        >>> {name: value.shape for name, value in repeat.blocks[0].params.items()}
        {'kernel': (2, 2), 'bias': (2,)}
    """

    def __init__(self, owner: Repeat, number: int):
        self._owner, self._number = owner, number

    @property
    def params(self) -> dict[str, Any]:
        """The block's trainable weights as a tree. A tree that is assigned must fit; otherwise no weight changes."""
        return self._tree(True)

    @params.setter
    def params(self, tree: Any) -> None:
        self._assign(tree, True)

    @property
    def state(self) -> dict[str, Any]:
        """The block's other variables as a tree. A tree that is assigned must fit; otherwise none changes."""
        return self._tree(False)

    @state.setter
    def state(self, tree: Any) -> None:
        self._assign(tree, False)

    def get_weights(self) -> list[np.ndarray]:
        """The block's weights as NumPy arrays, in the order of the block's own `get_weights()`."""
        return [np.asarray(self._value(variable)) for variable in self._weights()]

    def set_weights(self, weights: Any) -> None:
        """Give each of the block's weights a new array, in the order of `get_weights()`.

        Raises:
            ValueError: when the number of arrays or one of their shapes is wrong; no weight has changed then.
        """
        variables, arrays = self._weights(), [*map(jnp.asarray, weights)]
        expected, received = [v.shape[1:] for v in variables], [array.shape for array in arrays]
        if expected != received:
            raise ValueError(f"{self!r} has weights of shapes {expected}; received {received}.")
        self._put(dict(zip(variables, arrays, strict=True)))

    def _weights(self) -> list[Variable]:
        return [variable for _, variable in self._owner.entries() if variable.role == Role.WEIGHT]

    def _entries(self, trainable: bool) -> dict[tuple[str, ...], Variable]:
        return {path: variable for path, variable in self._owner.entries() if variable.trainable == trainable}

    def _value(self, variable: Variable) -> jax.Array:
        return scope.read(variable)[self._number]

    def _tree(self, trainable: bool) -> dict[str, Any]:
        return trees.nest((path, self._value(variable)) for path, variable in self._entries(trainable).items())

    def _assign(self, tree: Any, trainable: bool) -> None:
        variables, flat = self._entries(trainable), trees.flatten(tree)
        places = {path: jax.ShapeDtypeStruct(v.shape[1:], jnp.dtype(v.dtype)) for path, v in variables.items()}
        trees.check(places, flat, f"The tree does not fit {self!r}")
        self._put({variables[path]: value for path, value in flat.items()})

    def _put(self, values: dict[Variable, Any]) -> None:
        for variable, value in values.items():
            variable.assign(scope.read(variable).at[self._number].set(unwrap(value)))

    def __repr__(self) -> str:
        return f"<block {self._number} of {self._owner.path}>"


class _Static(NamedTuple):
    """The static arguments of a compiled program: everything that it depends on besides the shapes of its arrays."""

    loop: tuple[int, Any, Any]  # the number of blocks, unroll, remat
    structure: Any
    rest: Any
    fixed: tuple[tuple[int, Hashable], ...]
    keys: tuple[str, bool]  # the attributes `generators` and `available` of the key stream around
    settings: Hashable


@jax.tree_util.register_static
class _Discovery(NamedTuple):
    """The result of a trace: the numbers of the variables that blocks write, and True if they draw from the stream."""

    written: tuple[int, ...]
    draws: bool


class _Program(Hidden):
    """The block as a template, and the loop over its weights as a compiled function."""

    def __init__(self, template: Layer):
        self.template = template
        self.draws: dict[Any, bool] = {}
        self._compiled = jax.jit(self._loop, static_argnums=(0, 1))

    def __reduce__(self) -> Any:
        return _Program, (self.template,)

    def settings(self) -> Hashable:
        """Return the plain attributes of all objects in the block; the program is compiled again if one changes."""
        return tuple(
            tuple((name, value) for name, value in vars(thing).items() if type(value) in _PLAIN)
            for thing in self.template._tracked_objects
        )

    def cast(self, leaf: Any) -> jax.Array:
        """Return an input in the dtype that the block casts it to."""
        leaf, template = jnp.asarray(leaf), self.template
        dtype = template._compute_type if template.autocast and is_float(leaf.dtype) else leaf.dtype
        return jax.lax.convert_element_type(leaf, dtype)  # not weakly typed, since the outputs of blocks are not

    def run(self, path: str, static: _Static, *arrays: Any) -> Any:
        """Run the loop, with a key from the stream if the blocks draw from it."""
        signature = (static, *((jnp.shape(leaf), str(leaf.dtype)) for leaf in jax.tree.leaves(arrays)))
        if signature not in self.draws:
            discovery = jax.eval_shape(lambda *arrays: self._compiled(path, static, *arrays)[1], *arrays, idle_key())
            self.draws[signature] = discovery.draws
        key = random.draw_key() if self.draws[signature] else idle_key()
        return self._compiled(path, static, *arrays, key)

    def _loop(self, path: str, static: _Static, stack: list[Any], carried: Any, extra: Any, key: Any) -> Any:
        n, unroll, remat = static.loop
        discovery = _Discovery((), False)

        def run_block(carried: Any, step: Any) -> Any:
            nonlocal discovery
            number, values = step
            start = jax.random.fold_in(key, number) if static.keys[1] else None
            carried, new, losses, discovery = self._block(path, static, values, carried, extra, start)
            return carried, (new, losses)

        policy = _policy(remat)
        body = run_block if remat is False else jax.checkpoint(run_block, prevent_cse=False, policy=policy)
        outputs, (new, losses) = jax.lax.scan(body, carried, (jnp.arange(n, dtype="uint32"), stack), unroll=unroll)
        return outputs, discovery, losses, new

    def _block(self, path: str, static: _Static, values: list[Any], carried: Any, extra: Any, start: Any) -> Any:
        """Run the template with one block's arrays; return its outputs, the arrays it wrote, and its losses."""
        leaves, masks = carried
        for leaf, mask in (*zip(leaves, masks, strict=True), *zip(*extra, strict=True)):
            set_mask(leaf, mask)
        filled = dict(static.fixed)
        arrays = iter(extra[0])
        args, kwargs = jax.tree.unflatten(
            static.rest, [filled[i] if i in filled else next(arrays) for i in range(static.rest.num_leaves)]
        )
        variables = {variable: i for i, (_, variable) in enumerate(self.template._tracked_walk.entries)}
        generator = random.global_generator().state
        arrays = dict(zip(variables, values, strict=True))
        if start is not None:
            arrays[generator] = start
        inner = Scope.closed(arrays, outermost=True)
        outputs, effects = run(inner, self.template, jax.tree.unflatten(static.structure, leaves), *args, **kwargs)
        written = inner.values.written
        for variable in (*inner.values.missing, *written):  # type: ignore[attr-defined]
            if variable not in variables and variable is not generator:
                raise ValueError(
                    f"The block of {path!r} uses {variable.path!r}, which is not its own. Pass its value to the call "
                    "as an argument (every block gets it), or assign it to the block (then each block has its own)."
                )
        new, structure = jax.tree.flatten(outputs)
        every = kwargs.get("mask") is not None  # each block is given this mask, and need not pass one on
        after = masks if every else [get_mask(leaf) for leaf in new]
        _check_same(path, (leaves, masks, static.structure), (new, after, structure))
        changed = [variable for variable in variables if variable in written]
        losses = [value for key, value in zip(effects.keys, effects.values, strict=True) if isinstance(key, LossKey)]
        discovery = _Discovery(tuple(variables[variable] for variable in changed), generator in written)
        return (new, after), [arrays[variable] for variable in changed], losses, discovery


_PLAIN = frozenset([bool, int, float, str, type(None)])


def _check_same(path: str, before: Any, after: Any) -> None:
    """Raise unless the outputs of a block have the structure, shapes, dtypes and masks of its inputs."""

    def described(leaves: Any, masks: Any, structure: Any) -> str:
        masked = ["" if mask is None else ", masked" for mask in masks]
        specs = [f"{x.dtype}{list(x.shape)}{mask}" for x, mask in zip(leaves, masked, strict=True)]
        return specs[0] if jax.tree_util.treedef_is_leaf(structure) else str(jax.tree.unflatten(structure, specs))

    expected, received = described(*before), described(*after)
    if expected != received or before[2] != after[2]:
        raise ValueError(
            f"The block of {path!r} must return outputs of the form of its inputs, since they are the inputs of the "
            f"next block: expected {expected}; received {received}. Bring the inputs to that form before the blocks, "
            "with a Dense layer, say."
        )


def _copied(block: Layer) -> Layer:
    try:
        return copy_from_config(block)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Repeat cannot copy {block!r} from its config: {error} Pass a function that makes it instead."
        ) from error


def _policy(remat: Any) -> Callable[..., Any] | None:
    """Return the policy of `jax.checkpoint` that `remat` stands for; None to keep no intermediate values."""
    return None if isinstance(remat, bool) else checkpoint_policy(remat)
