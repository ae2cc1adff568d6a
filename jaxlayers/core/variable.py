"""A named place for one array.

A JAX array is immutable, so a write replaces the array that the variable refers to. Reads and writes go through
the innermost scope (see `scope`), so that the same code runs eagerly and under every transformation.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import changes, host_memory, jax_extend, placement, registry
from jaxlayers.common.array_like import ArrayLike, operand, unwrap
from jaxlayers.common.errors import StateLostError
from jaxlayers.common.settings import auto_name, is_float, standardize_dtype, standardize_shape
from jaxlayers.core import donation, making, scope
from jaxlayers.core.protocols import Role


class Variable(ArrayLike):
    """A named place for one array, of a shape and dtype that do not change.

    Args:
        initializer: an array (or something that becomes one); or a callable `(shape, dtype) -> array` or the name of
            an initializer, together with `shape`: then the array is made when it is first needed.
        shape: the sizes of the array that an initializer makes.
        dtype: the dtype of the array; by default that of `initializer`, and `floatx()` for Python floats and for
            initializers.
        trainable: if True, the default, the variable belongs to `trainable_weights` and to `params`; if False, to
            `non_trainable_weights` and to `state`.
        autocast: if True, the default, a layer with a dtype policy such as `"mixed_bfloat16"` reads the variable in
            the compute dtype.
        aggregation: how metrics that were computed apart are merged: `"none"` (the default), `"sum"`, `"mean"` or
            `"only_first_replica"`.
        synchronization: kept for Keras's configs; it has no effect.
        name: a name without slashes; by default one is made up.
        regularizer: a callable `array -> scalar`, whose value is added to the losses of the owning layer.
        constraint: a callable `array -> array`, which optimizers apply after each update.
        sharding: a `jax.sharding.Sharding` for the array; by default the distribution in use decides.
        role: the use of the variable, for the kernel; by default that of its first owner.

    Raises:
        ValueError: when an initializer comes without a shape, the shape does not fit the array, or the name has a
            slash.

    Example:
        >>> from jaxlayers.core import Variable
        >>> v = Variable([[1.0, 2.0]], name="v")
        >>> v.assign(v + 1)
        Array([[2., 3.]], dtype=float32)
    """

    __slots__ = (
        "__weakref__",
        "_constraint",
        "_exclusive",
        "_owner",
        "_regularizer",
        "_trainable",
        "_value",
        "aggregation",
        "autocast",
        "dtype",
        "follows",
        "initializer",
        "is_pinned",
        "name",
        "origin",
        "overwrite_with_gradient",
        "placed_by",
        "role",
        "shape",
        "sharding",
        "synchronization",
        "was_trainable",
    )
    __array_priority__ = 1000

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        *,
        regularizer: Any = None,
        constraint: Any = None,
        sharding: Any = None,
        role: Role | None = None,
    ):
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"A variable's name must be a string without '/'; received {name!r}.")
        self.name = name or auto_name("variable")
        self._trainable = self.was_trainable = bool(trainable)
        self.autocast = autocast
        self.aggregation, self.synchronization = aggregation, synchronization
        self.overwrite_with_gradient = False
        self._regularizer = registry.lookup("regularizer", regularizer)
        self._constraint = registry.lookup("constraint", constraint)
        self.sharding, self.is_pinned = sharding, sharding is not None
        self.placed_by: Any = None  # the distribution that has set `sharding`
        self.follows: Variable | None = None  # the parameter of a slot, whose sharding the slot has
        self.role = role  # None until an owner gives it
        self.origin: making.Origin | None = None
        self._owner: Any = None
        self._exclusive = False
        self._value: Any = None
        if isinstance(initializer, str):
            initializer = registry.lookup("initializer", initializer)
        if callable(initializer) and not hasattr(initializer, "__array__"):
            if shape is None:
                raise ValueError(f"Variable {self.name!r} has an initializer, so it needs a shape; received None.")
            self.initializer: Callable[..., Any] = initializer
            self.shape = standardize_shape(shape)
            self.dtype = standardize_dtype(dtype)
            return
        if isinstance(initializer, jax.core.Tracer):
            raise ValueError(
                f"Variable {self.name!r} cannot start from a value that is being traced: it would outlive the trace. "
                "Give it an initializer and a shape, or make it outside of the transformation."
            )
        value = host_memory.new_array(unwrap(initializer), dtype)
        if shape is not None and standardize_shape(shape) != value.shape:
            raise ValueError(f"Variable {self.name!r}: the value has shape {value.shape}, shape= says {shape}.")
        self.shape, self.dtype = value.shape, standardize_dtype(value.dtype)
        self._value = value if sharding is None else jax.device_put(value, sharding)
        self.initializer = making.Start(self._value)

    # The array.

    @property
    def value(self) -> jax.Array:
        """The current array; in the compute dtype of the layer being called, if that casts its weights."""
        inner = scope.current()
        if inner is None:
            return scope.read(self)
        value = inner.values.read(self)
        call = inner.call
        if call is None or call.dtype is None or value.dtype == call.dtype:
            return value
        return value.astype(call.dtype) if self.autocast and is_float(self.dtype) else value

    def assign(self, value: Any) -> jax.Array:
        """Put an array of the same shape into the variable, cast to its dtype; return the array.

        Raises:
            ValueError: when the shape differs.
            BareTransformationError: inside a JAX transformation that cannot carry the change out.
        """
        inner = scope.current()
        held = None if inner is None else inner.values.peek(self)
        value = self.check(value, self.dtype if held is None else held.dtype)
        scope.write(self, value)
        return value

    def assign_add(self, value: Any) -> jax.Array:
        """`assign(self + value)`."""
        return self.assign(scope.read(self) + operand(value))

    def assign_sub(self, value: Any) -> jax.Array:
        """`assign(self - value)`."""
        return self.assign(scope.read(self) - operand(value))

    def check(self, value: Any, dtype: Any = None) -> jax.Array:
        """Return `value` as an array that fits the variable.

        Raises:
            ValueError: when the shape differs.
        """
        value = unwrap(value)
        shape = np.shape(value)
        if shape != self.shape:
            raise ValueError(
                f"{self.path!r} has shape {self.shape}; a value of shape {tuple(shape)} does not fit. Reshape it, or "
                "make a new variable."
            )
        dtype = self.dtype if dtype is None else dtype
        if isinstance(value, jax.Array):
            # With a weak type, the next compiled step would have to be compiled again.
            return value if value.dtype == dtype and not value.weak_type else jax.lax.convert_element_type(value, dtype)
        copy = host_memory.unchanging(value, dtype)  # the user may change NumPy's memory
        return jnp.asarray(copy) if scope.current_trace() != jax_extend.NO_TRACE else jax.device_put(copy)

    def numpy(self) -> np.ndarray:
        """Return a copy of the current array as a NumPy array."""
        return np.array(self.__array__())

    # For the kernel: access to the array in the object itself, past all scopes.

    @property
    def held(self) -> Any:
        """The array in the object itself, or None when it has not been made; waits for a step that overwrites it.

        Raises:
            StateLostError: when the array was donated to a step that failed.
        """
        donation.wait_for(self)
        return self._unless_lost()

    def _unless_lost(self) -> Any:
        value = self._value
        if type(value) is donation.Lost:
            raise StateLostError(value.message(self.path))
        return value

    def lent(self) -> jax.Array:
        """Return the array for a run of a step that has borrowed it, made now if it has not been."""
        if self._unless_lost() is None:
            making.make([self])
        return self._value

    def peek(self) -> Any:
        """Return the array in the object, or None if it has none at the moment (lent, lost or not made); never wait."""
        return None if donation.is_lent(self) or type(self._value) is donation.Lost else self._value

    def make(self) -> jax.Array:
        """Return the array in the object itself, made now if it has not been."""
        while True:
            # Mark the array as shared before reading it: the caller may keep it, so it must not be donated.
            self._exclusive = False
            value = self.held
            if value is None:
                making.make([self])
            # A step that began meanwhile may be about to donate the array, or have stored another one. The checks must
            # stay in this order: a step that begins between them sees that the array is shared, and copies it.
            elif not self._exclusive and not donation.is_lent(self) and self._value is value:
                return value

    def start_from(self, value: Any) -> None:
        """Store an array, and make it the initial value of the variable, for `init` and for copies."""
        if self.role in (None, Role.WEIGHT):
            self.initializer = making.Start(value)
        self.store(value)

    def follow(self, leader: Variable) -> None:
        """Lie where another variable of the same shape lies."""
        self.follows, self.sharding, self.placed_by = leader, leader.sharding, leader.placed_by

    def store(self, value: Any) -> None:
        """Put an array into the object itself."""
        if self.sharding is not None:
            value = placement.put(value, self.sharding)
        self._exclusive = False  # before the array is there: a step must not donate what the caller may hold
        self._value = value

    # The description.

    @property
    def trainable(self) -> bool:
        """True if the variable is trained; may be set at any time."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        if value != self._trainable:
            self._trainable = value
            changes.note()

    @property
    def regularizer(self) -> Any:
        """A callable `array -> scalar` whose value is added to the losses of the owning layer, or None."""
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value: Any) -> None:
        self._regularizer = registry.lookup("regularizer", value)
        changes.note()

    @property
    def constraint(self) -> Any:
        """A callable `array -> array` that optimizers apply after each update, or None."""
        return self._constraint

    @constraint.setter
    def constraint(self, value: Any) -> None:
        self._constraint = registry.lookup("constraint", value)
        changes.note()

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def path(self) -> str:
        """The path of the variable: the outermost layer's name, then attribute names, list indices, dict keys."""
        return self.name if self.owner is None else self.owner._path_to(self)

    @property
    def owner(self) -> Any:
        """The object that the variable was first assigned to, or None."""
        return None if self._owner is None else self._owner()

    @property
    def is_orphan(self) -> bool:
        """True if the object that the variable was assigned to is gone."""
        return self._owner is not None and self._owner() is None

    def _add_owner(self, owner: Any) -> None:
        """Remember the first object that this variable was assigned to."""
        owner._record_child(self)
        if self.role is None:
            self.role = owner._variable_role
        if self._owner is None or self._owner() is None:
            self._owner = weakref.ref(owner)

    def __repr__(self) -> str:
        shown = ""
        if self._value is not None and scope.current() is None:
            try:
                shown = f", value={np.asarray(self)}"
            except StateLostError:
                shown = ", lost"
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}{shown}>"

    def _fetched(self) -> jax.Array:
        """Wait until the current array has been computed, and return it.

        Raises:
            StateLostError: when the step that computes the array failed.
        """
        value = self.value
        try:
            return value if isinstance(value, jax.core.Tracer) else value.block_until_ready()
        except jax.errors.JaxRuntimeError as error:
            donation.mark_lost([self])
            if self._value is not value:
                raise StateLostError(self._value.message(self.path)) from error
            raise

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        new = object.__new__(Variable)
        memo[id(self)] = new
        for slot in self.__slots__:
            if slot not in _NOT_COPIED:
                setattr(new, slot, getattr(self, slot))
        lost = type(self._value) is donation.Lost
        new._value = self._value if lost or self._value is None else self.make()
        new._owner, new.origin, new._exclusive = None, None, False
        new.follows = copy.deepcopy(self.follows, memo)
        return new

    def __getstate__(self) -> dict[str, Any]:
        state = {slot: getattr(self, slot) for slot in self.__slots__ if slot not in _NOT_COPIED}
        # Without the sharding: devices belong to this process.
        return {**state, "_value": None if self.held is None else np.asarray(self.make()), **_WITHOUT_DEVICES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for slot, value in state.items():
            setattr(self, slot, value)
        self._owner, self.origin, self._exclusive = None, None, False
        if self._value is not None:
            self._value = jnp.array(self._value)


_NOT_COPIED = ("__weakref__", "_owner", "_exclusive", "_value", "origin")  # not part of a copy
_WITHOUT_DEVICES = {"sharding": None, "is_pinned": False, "placed_by": None}  # of a pickled variable


# In a pytree, a variable is the array it holds now, and comes back as an array: functions of JAX receive arrays.
jax.tree_util.register_pytree_node(Variable, lambda variable: ((variable.value,), None), lambda _, values: values[0])
