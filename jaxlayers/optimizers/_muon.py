"""Muon: orthogonalized momentum for matrices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers.optimizers import _paths
from jaxlayers.optimizers._adam import make_adam_step
from jaxlayers.optimizers._optimizer import Optimizer
from jaxlayers.optimizers._steps import Step, Transformation, with_constructor


@with_constructor
class Muon(Optimizer):
    """Muon: orthogonalized momentum for matrices, and AdamW for all other parameters.

    For the gradient `g` of a matrix `w`: `m = momentum * m + g`; `s` is `g + momentum * m` (without `nesterov`, `m`)
    with singular values near 1, computed by Newton-Schulz iteration; and
    `w -= learning_rate * rms_rate * sqrt(max(rows, columns)) * s`. AdamW updates parameters that are not matrices,
    embeddings, and the parameters named by `exclude_layers`.

    Args:
        learning_rate: a number, a schedule, or a function (see `Optimizer`); 0.001 by default.
        adam_beta_1: `beta_1` of AdamW; 0.9 by default.
        adam_beta_2: `beta_2` of AdamW; 0.999 by default.
        adam_weight_decay: the weight decay of the parameters that AdamW updates; 0.004 by default, None for none.
        epsilon: `epsilon` of AdamW; 1e-7 by default.
        weight_decay: the weight decay of matrices; 0.004 by default, None for none.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name: see `Optimizer`.
        exclude_layers: regular expressions; AdamW updates the variables whose path contains a match. None by default.
        exclude_embeddings: If True (default), AdamW updates the variables with "embedding" in their path.
        muon_a: the coefficient of x in an iteration; 3.4445 by default.
        muon_b: the coefficient of x x^T x; -4.775 by default.
        muon_c: the coefficient of x x^T x x^T x; 2.0315 by default.
        adam_lr_ratio: the learning rate of AdamW divided by that of matrices; 1 by default.
        momentum: the decay rate of the momentum; 0.95 by default.
        ns_steps: the number of Newton-Schulz iterations; 5 by default.
        nesterov: If True (default), use Nesterov momentum.
        rms_rate: the root mean square of a step at a learning rate of 1; 0.2 by default. If None, steps are not scaled.

    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024; for `rms_rate`, Liu et al.,
    Muon is Scalable for LLM Training, arXiv:2502.16982.

    Example:
        >>> from jaxlayers.core import Variable
        >>> from jaxlayers.optimizers import Muon
        >>> w, optimizer = Variable([[1.0, 0.0], [0.0, 2.0]]), Muon(0.1, weight_decay=None)
        >>> optimizer.apply([w * 1.0], [w])
        >>> [round(float(x), 4) for x in w[1]]
        [0.0, 1.9805]
    """

    slot_order = (("momentum", "velocity"),)
    _squares_gradients = True

    learning_rate: Any = 0.001
    adam_beta_1: float = 0.9
    adam_beta_2: float = 0.999
    adam_weight_decay: float | None = 0.004
    epsilon: float = 1e-7
    weight_decay: float | None = 0.004
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    loss_scale_factor: float | None = None
    gradient_accumulation_steps: int | None = None
    name: str | None = None
    exclude_layers: Sequence[str] | None = None
    exclude_embeddings: bool = True
    muon_a: float = 3.4445
    muon_b: float = -4.775
    muon_c: float = 2.0315
    adam_lr_ratio: float = 1
    momentum: float = 0.95
    ns_steps: int = 5
    nesterov: bool = True
    rms_rate: float | None = 0.2

    def __post_init__(self) -> None:
        self.exclude_layers = list(self.exclude_layers or ())
        super().__post_init__()

    def _direction(self) -> Transformation:
        import optax

        from jaxlayers.optimizers._transformations import step_by_parameter

        def make_adam(learning_rate: Any, count: Any) -> Step:
            return make_adam_step(learning_rate, count, self.adam_beta_1, self.adam_beta_2, self.epsilon)

        def kinds(params: Any) -> Any:
            return jax.tree_util.tree_map_with_path(
                lambda keys, param: "adam" if self._uses_adam(_paths.path_of(keys), param) else "muon", params
            )

        adam = step_by_parameter(["momentum", "velocity"], make_adam)
        muon = step_by_parameter(["momentum"], self._make_step)
        return optax.partition({"muon": muon, "adam": optax.chain(adam, optax.scale(self.adam_lr_ratio))}, kinds)

    def _make_step(self, learning_rate: Any, count: Any) -> Step:
        coefficients = (self.muon_a, self.muon_b, self.muon_c)

        def step(g: Any, w: Any, m: Any) -> tuple[Any, ...]:
            m = m + (g + m * (self.momentum - 1))
            scale = 1 if self.rms_rate is None else self.rms_rate * max(m.shape) ** 0.5
            direction = _orthogonalize(g + self.momentum * m if self.nesterov else m, coefficients, self.ns_steps)
            return -(learning_rate * scale).astype(m.dtype) * direction, m

        return step

    def _uses_adam(self, path: str, param: Any) -> bool:
        path = self._known_path(path)
        embeds = self.exclude_embeddings and "embedding" in path.lower()
        return param.ndim != 2 or embeds or any(re.search(pattern, path) for pattern in self.exclude_layers or ())

    def _decay_rates(self, params: Any) -> Any:
        def rate(keys: Any, param: Any, decays: bool) -> float:
            adam = self._uses_adam(_paths.path_of(keys), param)
            return (self.adam_weight_decay if adam else self.weight_decay) or 0.0 if decays else 0.0

        return jax.tree_util.tree_map_with_path(rate, params, self._decayed(params))


def _orthogonalize(matrix: jax.Array, coefficients: tuple[float, float, float], iterations: int) -> jax.Array:
    """Bring the singular values of a matrix near 1, by Newton-Schulz iteration."""
    a, b, c = coefficients
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (jnp.linalg.norm(x) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x
