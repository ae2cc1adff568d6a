"""The facade: an object with weights, called like a function.

A call from outside of every layer is a transaction: its writes stay in a scope until the call has succeeded, and are
stored then. Layers that it calls run in the same scope. See `building` for how weights are made, and
`pure` for the pair of functions underneath.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.common import constants, explanations, jax_extend, masks, new_layers, placement, registry
from jaxlayers.common.array_like import cast_inputs, unwrap
from jaxlayers.common.call_spec import CallSpec, LazyCallSpec, bind_method, has_arrays
from jaxlayers.common.constructors import ConstructorSignature, defined_in_library
from jaxlayers.common.described import Described
from jaxlayers.common.errors import filtered
from jaxlayers.common.input_spec import InputSpec, check_inputs
from jaxlayers.common.own_variables import OwnVariables
from jaxlayers.common.settings import auto_name, free_name, is_float, standardize_shape, to_snake_case
from jaxlayers.core import building, donation, effects, losses, making, scope, tracking
from jaxlayers.core.symbolic import has_symbolic
from jaxlayers.core.symbolic_calls import Symbolic
from jaxlayers.core.values import refuse_effect
from jaxlayers.core.variable import Variable
from jaxlayers.core.weights import Weighted


class Layer(Symbolic, Described, OwnVariables, Weighted):
    """The base class of layers and models: weights and a computation.

    Subclasses make their weights in `__init__` or in `build(input_shape)`, with `add_weight`, and compute in
    `call(inputs)`. Layers assigned to attributes, also in lists, tuples and dicts at any depth, are part of this one.

    A mask of the first input is passed on to the outputs whose axes it fits, unless `supports_masking` is False. A
    layer with other masks overrides `compute_mask`. (Keras drops the mask, with a warning, unless `supports_masking`
    is True.)

    Args:
        activity_regularizer: a callable `array -> scalar` (or its name) on the outputs; its value is divided by the
            batch size and added to the losses. None by default.
        trainable: if True, the default, the weights are trained.
        dtype: a dtype, a dtype policy (`"mixed_bfloat16"`) or its name; the global policy by default.
        autocast: if True, the default, float inputs and weights are cast to the compute dtype of the policy.
        name: a name without slashes; by default one is made up from the name of the class.
        **kwargs: `input_shape` or `input_dim`, the shape of a sample: a `Sequential` that begins with this layer takes
            its input from it. `jl.Input` does the same.

    Raises:
        ValueError: for other keyword arguments, a name with a slash, or `trainable` that is no boolean.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> class Affine(Layer):
        ...     def build(self, input_shape):
        ...         self.w = self.add_weight(shape=(input_shape[-1], 2), initializer="ones")
        ...     def call(self, inputs):
        ...         return inputs @ self.w
        >>> layer = Affine()
        >>> layer(jnp.ones((1, 3))).tolist()
        [[3.0, 3.0]]
        >>> params, state = layer.init(jax.random.key(0), jnp.ones((1, 3)))
        >>> layer.apply(params, state, jnp.ones((1, 3))).outputs.tolist()
        [[3.0, 3.0]]
    """

    _call_spec: CallSpec = LazyCallSpec()  # type: ignore[assignment]
    _made_with: tuple[tuple[Any, ...], dict[str, Any]]
    __signature__ = ConstructorSignature()  # otherwise inspect.signature shows that of `__new__`
    supports_masking = True
    input_spec: InputSpec | Any = None
    _build_blueprint: list[Any] | None = None  # the structure that `init` or `apply` found, in an unbuilt layer
    _is_borrowing = False  # True while the layer is built only for a time; see `borrowing`
    _input_shape_argument: tuple[int | None, ...] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        self = super().__new__(cls)
        object.__setattr__(self, "_made_with", (args, kwargs))  # for classes without a get_config of their own
        new_layers.prepare(self, args)
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = building.explicit(cls.__dict__["build"])  # type: ignore[method-assign]
        if "build" in cls.__dict__ or not ("built" in cls.__dict__ or defined_in_library(cls, "build", "call")):
            cls.built = False  # a base without weights is built when it is made; other methods may make weights
        cls._call_spec = LazyCallSpec()  # type: ignore[assignment]

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        if "input_shape" in kwargs or "input_dim" in kwargs:
            self._input_shape_argument = new_layers.pop_input_shape(kwargs)
        if kwargs:
            raise ValueError(f"{type(self).__name__} does not take these arguments: {', '.join(kwargs)}.")
        self.auto_named = name is None
        if name is None:  # a dataclass may have called this before
            name = vars(self).get("name") or auto_name(to_snake_case(type(self).__name__))
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"A layer's name must be a string without '/'; received {name!r}.")
        self.name = name
        self.activity_regularizer = registry.lookup("regularizer", activity_regularizer)
        self.autocast = autocast
        if not isinstance(trainable, bool):
            raise ValueError(f"{self.name!r}: trainable must be True or False; received {trainable!r}.")
        self._trainable = trainable
        self.dtype_policy = dtype
        self._loose_weights: dict[str, Variable] = {}  # from add_weight; perhaps not assigned to an attribute

    def __setattr__(self, name: str, value: Any) -> None:
        member = getattr(type(self), name, None)
        if name in ("init", "apply") or (type(member) is property and member.fset is None):
            raise AttributeError(
                f"{type(self).__name__}.{name} is a {type(member).__name__} that cannot be replaced. Layers have the "
                "names of Keras, and init, apply, params, state. Give the attribute another name."
            )
        if name in ("params", "state"):  # trees, which their setters assign to the weights
            object.__setattr__(self, name, value)
        elif name != "name" or value is not None:  # None, as from a dataclass, keeps the name that was made up
            super().__setattr__(name, value)

    # For subclasses to override and to call.

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Make the weights for inputs of some shape; subclasses override it and call `add_weight`.

        If a class has no `build` of its own, a call of this method by a user builds all layers inside, by an abstract
        run of `call` on the shapes. If that run fails, the layer counts as built, and the layers inside are built when
        they are called first.
        """
        object.__setattr__(self, "built", True)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; subclasses override it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no call(), so it cannot compute outputs. Write call(self, inputs)."
        )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask of the outputs: by default that of the inputs."""
        return previous_mask

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
        sharding: Any = None,
    ) -> Variable:
        """Make a variable of this layer; its array is made with those of the others, when the layer is built.

        Args:
            shape: the shape; a scalar by default.
            initializer: see `Variable`; by default `"glorot_uniform"` for floats, and zeros for other dtypes.
            dtype: the dtype; by default the variable dtype of the layer's policy.
            trainable: see `Variable`.
            autocast: see `Variable`.
            regularizer: see `Variable`.
            constraint: see `Variable`.
            aggregation: see `Variable`.
            overwrite_with_gradient: if True, optimizers assign the gradient to the variable instead of subtracting it;
                False by default.
            name: see `Variable`; the key, in the trees, of a weight that is not assigned to an attribute.
            sharding: see `Variable`.

        Raises:
            ValueError: in `call`, when the layer is built: every call would add one more weight.
        """
        self._check_initialized()
        building.check_adds_no_weight_in_call(self)
        dtype = self.variable_dtype if dtype is None else dtype
        if initializer is None:
            initializer = "glorot_uniform" if is_float(dtype) else "zeros"
        variable = Variable(
            initializer,
            shape=standardize_shape(() if shape is None else shape),
            dtype=dtype,
            trainable=trainable,
            autocast=autocast,
            aggregation=aggregation,
            name=name,
            regularizer=regularizer,
            constraint=constraint,
            sharding=sharding,
        )
        variable.overwrite_with_gradient = overwrite_with_gradient
        if not self._trainable:
            variable.trainable = False
        self._loose_weights[free_name(name or "variable", self._loose_weights)] = variable
        variable._add_owner(self)
        tracking.structure_changed()
        return variable

    add_variable = add_weight

    def add_loss(self, loss: Any) -> None:
        """Add a scalar, or a list of scalars, to the losses of this call."""
        inner = scope.current()
        for value in loss if isinstance(loss, list | tuple) else [loss]:
            value = jnp.asarray(unwrap(value))
            if inner is not None and inner.call is not None:
                if scope.current_trace() != inner.trace:
                    refuse_effect(f"{inner.place()!r} added a loss")
                inner.add_loss(self, value, inner.call.root)
            else:
                self._keep_losses([*losses.kept_entries(self._kept_losses), (self, value)])

    # The call.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `call`: build the layer the first time, cast and check the inputs, pass `training` and masks along."""
        if "_loose_weights" not in self.__dict__:
            self._check_initialized()
        if has_symbolic(args, kwargs):
            return self._call_symbolic(args, kwargs)
        inner = scope.current()
        if inner is None or inner.call is None:
            return self._call_outermost(inner, args, kwargs)
        return self._call_inside(inner, args, kwargs)

    def _call_outermost(self, outer: scope.Scope | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        build = building.Build(None if outer is None else outer.build, thorough=outer is not None)
        try:
            if building.must_build_first(self, outer):
                building.build_for_call(self, args, kwargs)
            transaction = scope.Scope.transaction(self, build)
            if outer is None and transaction.trace != jax_extend.NO_TRACE and self.weights:
                constants.warn_of_constants(self)
            with transaction:
                fresh = not self.built
                outputs = self._call_inside(transaction, args, kwargs)
                if fresh:
                    making.claim(self)
            values = transaction.values
            for variable in values.written:
                scope.write(variable, values.arrays[variable])
        except BaseException as error:
            build.undo()
            if outer is None and isinstance(error, jax.errors.JaxRuntimeError):
                donation.mark_lost(variable for _, variable in self._tracked_walk.entries)
            raise filtered(error) from error.__cause__
        build.succeed()
        effects.commit_losses(outer, values.losses)
        return outputs

    def _call_inside(self, inner: scope.Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs, training = self._prepare_arguments(inner, args, kwargs)
        spec = self._call_spec
        masked = masks.in_use() or "mask" in kwargs
        if masked:
            spec.fill_masks(args, kwargs, masks.get_mask)
        masked = masked or spec.makes_masks
        if masked:  # read the masks before the call, which may remove them
            first = spec.first(args, kwargs)
            previous = masks.previous_mask(first, kwargs)
        call = inner.begin_call(self, training, self._compute_type if self.autocast else None)
        try:
            if not self.built:
                _check_inputs(self, args, kwargs, inner)
                building.build_in_call(self, inner, args, kwargs)
            elif inner.build is not None and inner.build.thorough:
                building.remember_call(self, inner.build, args, kwargs)
            if self.input_spec is not None:
                _check_inputs(self, args, kwargs, inner)
            outputs = placement.lay_out(self, self.call(*args, **kwargs))
            if self.activity_regularizer is not None:
                self._regularize_activity(outputs)
        except Exception as error:
            explanations.add_place(error, inner.place, args)
            raise
        finally:
            inner.end_call(call)
        if masked:
            self._pass_mask(first, previous, outputs)
        return outputs

    def _call_method(self, method: Any, inner: scope.Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run `call`, or another method in its place; see `apply`."""
        if method is None:
            return self._call_inside(inner, args, kwargs)
        function, training, kwargs = bind_method(self, method, kwargs)
        args, kwargs = cast_inputs((args, kwargs), dtype := self._compute_type if self.autocast else None)
        call = inner.begin_call(self, training, dtype)
        try:
            if not self.built and has_arrays((args, kwargs)):
                building.build_in_call(self, inner, args, kwargs)
            return function(*args, **kwargs)
        finally:
            inner.end_call(call)

    def _prepare_arguments(self, inner: scope.Scope, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Cast the arguments of a call, and find `training`: that of the call, or of the layer around, or the default.

        Returns:
            The positional and the named arguments of `call`, and `training`.
        """
        spec = self._call_spec
        training = spec.training(args, kwargs)
        if training is None and inner.call is not None:
            training = inner.call.training
        if spec.has_training:
            if training is None:
                training = spec.training_default
            elif len(args) <= spec.training_position:
                kwargs["training"] = training
        elif "training" in kwargs and not spec.open_ended:
            del kwargs["training"]
        dtype = self._compute_type if self.autocast else None
        args = tuple([cast_inputs(value, dtype) for value in args])
        if kwargs:
            kwargs = {name: cast_inputs(value, dtype) for name, value in kwargs.items()}
        return args, kwargs, training

    def _regularize_activity(self, outputs: Any) -> None:
        for output in jax.tree.leaves(outputs):
            is_half = output.dtype in ("float16", "bfloat16")  # a penalty sums over the batch, and would overflow
            loss = self.activity_regularizer(output.astype("float32") if is_half else output)
            self.add_loss(loss / max(output.shape[0], 1) if output.ndim else loss)

    def _pass_mask(self, inputs: Any, previous: Any, outputs: Any) -> None:
        if not self._call_spec.makes_masks and not (self.supports_masking and jax.tree.leaves(previous)):
            return
        leaves = jax.tree.leaves(outputs)
        if all(masks.get_mask(leaf) is not None for leaf in leaves):
            return
        mask = self.compute_mask(inputs, previous)
        if mask is None or not (self._call_spec.makes_masks or masks.fits(mask, inputs, leaves)):
            return
        # A single mask is that of the first output: further outputs (states, scores) have other axes.
        flat = jax.tree.leaves(mask, is_leaf=lambda leaf: leaf is None)
        for leaf, mask in zip(leaves, flat, strict=False):
            if mask is not None and masks.get_mask(leaf) is None:
                masks.set_mask(leaf, mask)

    def _check_initialized(self) -> None:
        if "_loose_weights" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}.__init__ must call super().__init__() first.")

    @property
    def __jax_array__(self) -> Any:
        """An error, as a ValueError since JAX would replace others: JAX asks for it where it expects an array."""
        raise ValueError(
            f"{self.path!r} is a layer and no array, so it cannot be an argument of jax.jit or of an operation. "
            "Compile the function with jl.jit, which takes layers, or pass layer.params and layer.state and call "
            "layer.apply."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


Layer.build = building.explicit(Layer.build)  # type: ignore[method-assign]
for _method in (Layer.__init__, Layer.build, Layer.call, Layer.compute_output_shape):
    _method.is_default = True  # type: ignore[union-attr]


def _check_inputs(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], inner: scope.Scope) -> None:
    inputs = args[0] if args else layer._call_spec.first(args, kwargs)
    if layer.input_spec is not None and inputs is not None:
        check_inputs(layer.input_spec, inputs, inner.place)
