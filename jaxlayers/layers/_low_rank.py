"""Low-rank adaptation: a layer's weight stays as it is, and a product of two small ones is trained in its place.

`LowRank` is a base of the layers that can do so, which name the weight as `adapted`. Until it is enabled nothing is
different: the weight is an attribute like any other. Then it moves to an attribute with an underscore in front, which
has the same place in the trees, and its own name stands for the sum: an attribute of an object hides what its class
has under that name, and here there is none any more.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxlayers import initializers
from jaxlayers.core import Layer, Variable
from jaxlayers.core.scope import unwrap
from jaxlayers.layers._config import positive


class _Sum:
    """What the class has under the name of the weight: `weight + lora_alpha / lora_rank * a @ b`."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer: Any, cls: Any = None) -> Any:
        if layer is None:
            return self
        if not layer.lora_enabled:
            raise AttributeError(f"{layer.path!r} has no {self.name!r} yet: build it first.")
        weight, a, b = (unwrap(part) for part in layer.lora_parts())
        return _sum(weight, a, b, layer.lora_alpha / layer.lora_rank).astype(layer.compute_dtype)


@jax.jit  # one dispatch when it is called eagerly
def _sum(weight: jax.Array, a: jax.Array, b: jax.Array, scale: float) -> jax.Array:
    return weight + scale * jnp.matmul(a, b)


class LowRank(Layer):
    """A layer with `enable_lora`; a subclass says the name of the weight: `class Dense(LowRank, adapted="kernel")`."""

    adapted: str
    lora_enabled = False
    _config_if_changed = ("lora_rank", "lora_alpha")

    def __init_subclass__(cls, adapted: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if adapted is not None:
            cls.adapted = adapted
            setattr(cls, adapted, _Sum(adapted))

    def __init__(self, lora_rank: int | None = None, lora_alpha: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.lora_rank = positive(self, "lora_rank", lora_rank) if lora_rank else None
        self.lora_alpha = self.lora_rank if lora_alpha is None else lora_alpha

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Enable the adaptation if the arguments ask for it; called when the weights are made."""
        super().build(*args, **kwargs)
        if self.lora_rank:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def enable_lora(
        self,
        rank: int,
        lora_alpha: float | None = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freeze the weight `w`, and train `a` and `b` instead, with `w + lora_alpha / rank * a @ b` in its place.

        They are `lora_kernel_a` and `lora_kernel_b`, or `lora_embeddings_a` and `lora_embeddings_b`, kept in float32.
        An optimizer that was built before does not know them: compile the model again.

        Args:
            rank: how many columns `a` and rows `b` have.
            lora_alpha: how strong their product is; `rank` by default.
            a_initializer: how `a` starts.
            b_initializer: how `b` starts: by default such that nothing changes at first.

        Shapes:
            w: `[..., outputs]`; a: `[..., rank]`; b: `[rank, outputs]`.

        Raises:
            ValueError: when the layer is not built, or has a constraint on the weight, or it was done before.

        Source: Hu et al., "LoRA", arXiv:2106.09685.
        """
        if getattr(self, f"{self.adapted}_constraint"):
            raise ValueError(f"{self.path!r} has a {self.adapted}_constraint, which a sum cannot be held to.")
        if not self.built:
            raise ValueError(f"{self.path!r} is not built, so its {self.adapted} is not known. Call it, or build() it.")
        if self.lora_enabled:
            raise ValueError(f"{self.path!r} has low-rank weights already; there can be one pair.")
        rank = positive(self, "rank", rank)
        weight: Variable = getattr(self, self.adapted)
        parts = {
            "a": ((*weight.shape[:-1], rank), initializers.get(a_initializer)),
            "b": ((rank, weight.shape[-1]), initializers.get(b_initializer)),
        }
        for part, (shape, initializer) in parts.items():
            name = f"lora_{self.adapted}_{part}"
            low = self.add_weight(shape, initializer, "float32", regularizer=weight.regularizer, name=name)
            setattr(self, name, low)
        weight.trainable = False
        delattr(self, self.adapted)
        setattr(self, f"_{self.adapted}", weight)
        self.lora_enabled, self.lora_rank = True, rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def lora_parts(self) -> tuple[Variable, Variable, Variable]:
        """The frozen weight and the two low-rank ones."""
        low = (getattr(self, f"lora_{self.adapted}_{part}") for part in "ab")
        return (getattr(self, f"_{self.adapted}"), *low)
