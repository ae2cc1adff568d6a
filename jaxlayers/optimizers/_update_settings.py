"""The part of an optimizer that its update reads: a protocol below `_update` and `_optimizer`, which both need it."""

from __future__ import annotations

from typing import Any, Protocol


class UpdateSettings(Protocol):
    """The attributes and methods of `Optimizer` that `_update` turns into a pure function; see there."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    _rate_factors: dict[str, float]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""

    def scheduled_rate(self, iterations: Any) -> Any:
        """Return the learning rate after this number of updates."""

    def _direction(self) -> Any:
        """Return the optax transformation from gradients to steps, the learning rate included."""

    def _decay_rates(self, params: Any) -> Any:
        """Return the decay of each leaf of a tree of parameters; None if nothing decays."""

    def _known_path(self, path: str) -> str:
        """Return the path of the variable behind a leaf of a tree of parameters."""
