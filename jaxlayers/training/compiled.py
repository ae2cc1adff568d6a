"""`compile`, and the steps that it makes possible: plain facade code, every piece of which may be overridden.

`fit`, `evaluate` and `predict` run `train_step`, `test_step` and `predict_step`, compiled by `jl.jit`. These steps
call `compute_loss` and `compute_metrics`, and read `metrics`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxlayers import metrics as metrics_module, optimizers
from jaxlayers.common import placement
from jaxlayers.core import building, purity, scope
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object
from jaxlayers.training import guarding, stateless_steps
from jaxlayers.training.executions import SEVERAL, SINGLE, Execution, gathering
from jaxlayers.training.feeding import unpack
from jaxlayers.training.objective import Objective
from jaxlayers.transforms import jit, value_and_grad
from jaxlayers.transforms.facades import WeakMethod


class Compiled:
    """The part of a model that holds the arguments of `compile` and takes single steps."""

    optimizer: Any = None
    _compiled_objective: Objective | None = None
    _compiled_with: types.SimpleNamespace | None = None
    run_eagerly = False
    jit_compile = True
    steps_per_execution: int | str = 1

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int | str = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Set the optimizer, the losses and the metrics of training.

        Args:
            optimizer: an optimizer, its name, or an optax transformation.
            loss: a loss, its name, or a function `(y_true, y_pred) -> loss of each sample`; for several outputs a
                list or dict of them. Without one, the sum of the losses that layers add is minimised.
            loss_weights: numbers in the structure of `loss`; 1 by default.
            metrics: a list of metrics, names or functions; for several outputs a list or dict of lists. They ignore
                sample weights.
            weighted_metrics: like `metrics`, but sample weights are used.
            run_eagerly: if True, steps are not compiled, so that they can be debugged; False by default.
            steps_per_execution: the number of steps in one call of a compiled loop on the device; 1 by default.
                `"auto"` picks the number, and puts arrays that fit onto an accelerator. The results are the same.
            jit_compile: False is the same as `run_eagerly=True`.
            auto_scale_loss: if True, the default, a model with the policy `"mixed_float16"` gets a
                `LossScaleOptimizer`.

        Raises:
            ValueError: for an unknown name, loss weights that are no numbers, or a number of steps below one.
        """
        # A namespace is not searched for objects, so the metrics in it are no part of the model.
        arguments = types.SimpleNamespace(**{name: value for name, value in locals().items() if name != "self"})
        several = steps_per_execution
        if several != "auto" and (isinstance(several, bool | str) or int(several) != several or several < 1):
            raise ValueError(f"steps_per_execution must be a positive integer or 'auto'; received {several!r}.")
        optimizer_object = optimizers.get(optimizer)
        scales_loss = isinstance(optimizer_object, optimizers.LossScaleOptimizer)
        if auto_scale_loss and self.dtype_policy.name == "mixed_float16" and not scales_loss:  # type: ignore[attr-defined]
            optimizer_object = optimizers.LossScaleOptimizer(optimizer_object)
        if optimizer_object is not None:
            optimizer_object._take_places_from(self)
        objective = Objective(loss, loss_weights, metrics, weighted_metrics, getattr(self, "output_names", None))
        self._compiled_with = arguments
        self.optimizer, self._compiled_objective = optimizer_object, objective
        object.__setattr__(self, "loss", loss)  # the argument itself, which is no part of the model
        self.run_eagerly = run_eagerly or jit_compile is False
        self.jit_compile = not self.run_eagerly
        self.steps_per_execution = several
        self._compiled_steps: dict[Any, Callable[..., Any]] = {}

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as plain data; None before it."""
        arguments = self._compiled_with
        return None if arguments is None else serialize_keras_object({**vars(arguments), "optimizer": self.optimizer})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Call `compile` with the arguments of a config by `get_compile_config`, ours or Keras's."""
        parameters = inspect.signature(Compiled.compile).parameters
        self.compile(**{name: value for name, value in deserialize_keras_object(config).items() if name in parameters})

    # One step; every piece may be overridden.

    @stateless_steps.in_both_forms
    def train_step(self, data: Any) -> dict[str, jax.Array]:
        """Train on one batch, `x`, `(x, y)` or `(x, y, sample_weight)`; return the metrics so far by name.

        Raises:
            ValueError: when `call` uses trainable weights of a layer that is not part of the model.
        """
        x, y, sample_weight = unpack(data)

        def objective() -> tuple[jax.Array, Any]:
            read_before = set(scope.missing())
            y_pred = self(x, training=True)  # type: ignore[operator]
            purity.check_parts(self, scope.missing(), read_before)
            loss = loss_of(self, x, y, y_pred, sample_weight, training=True)
            return self.optimizer.scale_loss(loss), (loss, y_pred)

        weights = self.trainable_variables  # type: ignore[attr-defined]
        (_, (loss, y_pred)), gradients = value_and_grad(objective, wrt=weights, has_aux=True)()
        if weights:
            self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        self._compiled_objective.tracker.update_state(loss, sample_weight=batch_size_of(x))  # type: ignore[union-attr]
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    @stateless_steps.in_both_forms
    def test_step(self, data: Any) -> dict[str, jax.Array]:
        """Evaluate one batch; return the metrics so far by name."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)  # type: ignore[operator]
        loss = loss_of(self, x, y, y_pred, sample_weight, training=False)
        self._compiled_objective.tracker.update_state(loss, sample_weight=batch_size_of(x))  # type: ignore[union-attr]
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    @stateless_steps.in_both_forms
    def predict_step(self, data: Any) -> Any:
        """Return the outputs for one batch."""
        return self(unpack(data)[0], training=False)  # type: ignore[operator]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> jax.Array:
        """The scalar to minimise: the compiled loss on the outputs plus all that layers added.

        Raises:
            ValueError: when there is neither.
        """
        parts = []
        if self._compiled_objective is not None and self._compiled_objective.has_loss:
            parts.append(self._compiled_objective.compute_loss(y, y_pred, sample_weight))
        parts += self.losses  # type: ignore[attr-defined]
        if not parts:
            raise ValueError(
                f"{self.name!r} has nothing to minimise: compile() was given no loss, and no layer adds one."  # type: ignore[attr-defined]
            )
        return sum(parts[1:], start=parts[0])

    def stateless_compute_loss(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[jax.Array, Any]:
        """`compute_loss` as a pure function of the arrays of all variables that it may read.

        Returns:
            The loss, and `(trainable, non_trainable, metrics)` variables as it left them.

        Raises:
            ValueError: when there is an array too many or too few.
        """
        arrays = (trainable_variables, non_trainable_variables, metrics_variables)
        return stateless_steps.compute_loss(self, arrays, lambda: loss_of(self, x, y, y_pred, sample_weight, training))

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, jax.Array]:
        """Update the compiled metrics with a batch; return all metrics so far by name."""
        if y is not None:
            self._compiled_objective.update_metrics(y, y_pred, sample_weight)  # type: ignore[union-attr]
        return self.get_metrics_result()

    @property
    def metrics(self) -> list[Any]:
        """The metrics that are reported, and reset before each epoch: loss, compiled metrics, metrics of layers."""
        compiled = [] if self._compiled_objective is None else self._compiled_objective.parts
        return compiled + [m for m in self._tracked_objects if isinstance(m, metrics_module.Metric)]  # type: ignore[attr-defined]

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def get_metrics_result(self) -> dict[str, jax.Array]:
        """The value of every metric so far, by name."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        return results

    def reset_metrics(self) -> None:
        """Reset all metrics."""
        for metric in self.metrics:
            metric.reset_state()

    # The step as a pure function.

    def make_train_step(self, axis_name: Any = None) -> Callable[[Any, Any], tuple[Any, dict[str, jax.Array]]]:
        """`train_step` as a pure function `(train_state, batch) -> (train_state, logs)`.

        This is the step of `fit` for `jax.jit`, `jax.pmap`, `jax.shard_map` and your own loops; the model does not
        change. Start with `model.train_state`; assign the last state to it to go on with the model.

        Args:
            axis_name: the mesh axis of `pmap` or `shard_map` over which the batch is split: gradients with respect to
                variables and statistics are averaged over it, and the sums of metrics are added up. Losses that are
                sums, or means over weights or masks, are those of the whole batch. A loss that is a sum of values
                equal on all devices, such as weights, needs `shard_map` with `check_vma=True`, its default: elsewhere
                JAX cannot tell them from samples. States that differ are combined by their `aggregation`: `"sum"`,
                `"mean"` or `"only_first_replica"`; floats without one are averaged, and so
                are losses that `add_loss` has added. None by default.

        Example:
            >>> import jax, numpy as np, jaxlayers as jl
            >>> model = jl.Sequential([jl.Input((2,)), jl.layers.Dense(1)])
            >>> model.compile("sgd", "mse")
            >>> step, state = jax.jit(model.make_train_step()), model.train_state
            >>> for _ in range(3):
            ...     state, logs = step(state, (np.ones((4, 2), "float32"), np.ones((4, 1), "float32")))
            >>> int(state.step)
            3
            >>> model.train_state = state
        """
        from jaxlayers.training import state  # it needs flax, which takes its time to import

        return state.make_step(self, axis_name)

    @property
    def train_state(self) -> Any:
        """Everything that training changes, as a pytree: `step`, `params`, `state`, `opt_state`, `metrics`, `rng`.

        Assigning a state checks it whole before anything changes.

        Raises:
            ValueError: when the model has not seen a batch, so that weights or metrics are unknown; see `prepare`.
        """
        from jaxlayers.training import state

        return state.read(self)

    @train_state.setter
    def train_state(self, new: Any) -> None:
        from jaxlayers.training import state

        state.write(self, new)

    def prepare(self, batch: Any) -> None:
        """Make the weights, the optimizer's slots and the metrics that a first training step would make.

        No step is taken.

        Args:
            batch: a batch like those of training, `x`, `(x, y)` or `(x, y, sample_weight)`, of arrays or
                `jax.ShapeDtypeStruct`s.
        """
        self._build_for(batch)
        building.dry_run(self._as_step("train_step"), (batch,), {})

    # The steps of the loops.

    def _compiled_step(self, name: str, guard: Any = None) -> Callable[..., Any]:
        """A step as the loops run it: compiled, and kept for the next time; with a `NanGuard`, it is guarded."""
        step = self._as_step(name)
        if guard is not None or not isinstance(step, types.MethodType):
            return self._compile_steps(SINGLE, (name,), name, guard)
        if self.run_eagerly:
            return step
        return self._compile_step((name, step.__func__), name, step.__func__)  # it may be replaced on the object

    def _as_step(self, name: str) -> Callable[[Any], Any]:
        """Return a step as a function of the data alone, even if it is in Keras's form, with a state."""
        method = getattr(self, name)
        if not stateless_steps.takes_state(method):
            return method
        return stateless_steps.as_facade_step(self, name, functools.partial(Compiled.test_step, self))

    def _several_steps(self, name: str, guard: Any = None) -> Callable[[Any, Any], Any]:
        """`(stacked batches, number) -> logs`: a loop over batches `[number, batch, ...]` in one call."""
        return self._compile_steps(SEVERAL, (name, "several"), name, guard)

    def _gathered_steps(self, name: str, batch: Any, guard: Any = None) -> Callable[[Any, Any, Any, Any], Any]:
        """`(arrays, order, start, number) -> logs`: a loop over batches gathered on the device in one call.

        `batch` has the structure of a batch, with the number of an array in each place: one may stand in several.
        """
        which, structure = jax.tree.flatten(batch)
        return self._compile_steps(gathering(batch), (name, "gathered", structure, *which), name, guard)

    def _compile_steps(self, execution: Execution, key: Any, name: str, guard: Any) -> Callable[..., Any]:
        """Compile the steps of an execution; return a function of its arguments."""

        def run(model: Any, *args: Any) -> Any:
            return execution.steps(model._as_step(name), *args)

        def run_guarded(model: Any, saved: Any, *args: Any) -> Any:
            return step_guard.run(model, saved, execution.steps, model._as_step(name), *args)

        function = run
        if guard is not None:
            step_guard = self._step_guard(guard)
            function, key = run_guarded, ("guarded", guard.action, *key)
        compiled = functools.partial(function, self) if self.run_eagerly else self._compile_step(key, name, function)
        return compiled if guard is None else functools.partial(guarding.execute, self, guard, compiled, execution)

    def _step_guard(self, guard: Any) -> guarding.StepGuard:
        """Return the part of a `NanGuard` that runs on the device."""
        return self._kept_step(("guard", guard.action), functools.partial(guarding.StepGuard, guard.action))

    def _compile_step(self, key: Any, name: str, function: Callable[..., Any]) -> Any:
        """Compile a function of the model and store it in the model, to which it refers weakly to avoid a cycle."""
        if self.built:  # type: ignore[attr-defined]
            placement.check_model(self)

        def checked(model: Any, *args: Any) -> Any:
            outputs = function(model, *args)
            if getattr(model._as_step(name), "__func__", None) is not getattr(Compiled, name):
                purity.check_step(model, name)
            return outputs

        def make() -> Any:
            method = WeakMethod(checked, self)
            method.__name__ = name  # type: ignore[attr-defined]
            return jit(method)

        return self._kept_step(key, make)

    def _kept_step(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return the result of `make`, which is called once for each key after each `compile`."""
        steps = self.__dict__.setdefault("_compiled_steps", {})
        if key not in steps:
            steps[key] = make()
        return steps[key]

    def _build_for(self, batch: Any) -> None:
        """Build the model before its first step, so that the step is traced with all weights.

        A user's own step may call the model with other inputs, or not at all. So a failure is ignored: nothing has
        changed then, and the step will raise the error if there is one.
        """
        if not self.built:  # type: ignore[attr-defined]
            with contextlib.suppress(Exception):
                building.build_for_call(self, (unpack(batch)[0],), {})

    def _check_compiled(self, what: str) -> None:
        if self._compiled_objective is None:
            raise ValueError(f"{self.name!r}: call compile() before {what}().")  # type: ignore[attr-defined]


def loss_of(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> jax.Array:
    """Call `compute_loss` of a model; a subclass may override it without the parameter `training`."""
    parts = {"x": x, "y": y, "y_pred": y_pred, "sample_weight": sample_weight, "training": training}
    parameters = inspect.signature(model.compute_loss).parameters
    if "training" not in parameters and all(p.kind is not p.VAR_KEYWORD for p in parameters.values()):
        del parts["training"]
    return model.compute_loss(**parts)


def batch_size_of(x: Any) -> int:
    """The number of samples in a batch."""
    leaves = jax.tree.leaves(x)
    shape = np.shape(leaves[0]) if leaves else ()
    return shape[0] if shape else 1
