"""Low-rank adaptation (LoRA): the weight of a layer is frozen, and the product of two small matrices is trained.

`LowRank` is the base of the layers that support it; each names its weight as `adapted`. Until `enable_lora` is called,
the weight is an ordinary attribute. `enable_lora` moves it to an attribute with a leading underscore, which has the
same path in the trees of weights. The name without the underscore then reaches the descriptor `AdaptedWeight` of the
class, which an instance attribute of that name hid before, and which returns the sum of the weight and the product.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import initializers
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.own_variables import compare, numbered
from jaxlayers.core import Variable
from jaxlayers.layers._config import positive
from jaxlayers.layers._weight_arguments import WeightArguments


class AdaptedWeight:
    """The descriptor of an adapted weight: `weight + lora_alpha / lora_rank * a @ b`."""

    def __set_name__(self, cls: Any, name: str) -> None:
        self.name = cls.adapted = name

    def __get__(self, layer: Any, cls: Any = None) -> Any:
        if layer is None:
            return self
        if not layer.lora_enabled:
            raise AttributeError(f"{layer.path!r} is not built, so it has no {self.name!r}. Call it, or build() it.")
        weight, a, b = (unwrap(part) for part in layer.lora_parts())
        return _add_product(weight, a, b, layer.lora_alpha / layer.lora_rank).astype(layer.compute_dtype)


@jax.jit  # one dispatch in an eager call
def _add_product(weight: jax.Array, a: jax.Array, b: jax.Array, scale: float) -> jax.Array:
    return weight + scale * jnp.matmul(a, b)


class LowRank(WeightArguments):
    """A layer with `enable_lora`; a subclass has the attribute `kernel = AdaptedWeight()`, named as the weight."""

    adapted: str
    lora_enabled = False
    _config_if_changed = ("lora_rank", "lora_alpha")

    def __init__(self, lora_rank: int | None = None, lora_alpha: float | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.lora_rank = positive(self, "lora_rank", lora_rank) if lora_rank else None
        self.lora_alpha = self.lora_rank if lora_alpha is None else lora_alpha

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Enable the adaptation if the layer has a `lora_rank`; subclasses call this at the end of their `build`."""
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
        """Freeze the weight `w` and train two low-rank weights, `a` and `b`.

        From now on, the layer computes with `w + lora_alpha / rank * a @ b` instead of `w`. The new weights are the
        attributes `lora_kernel_a` and `lora_kernel_b`, or `lora_embeddings_a` and `lora_embeddings_b`. They are
        float32. Compile the model again afterwards: an optimizer that is already built has no slots for them.

        Args:
            rank: the number of columns of `a` and of rows of `b`.
            lora_alpha: the scale: the product is multiplied by `lora_alpha / rank`; `rank` by default.
            a_initializer: the initializer of `a`; `"he_uniform"` by default.
            b_initializer: the initializer of `b`; with `"zeros"`, the default, the outputs do not change at first.

        Shapes:
            w: `[..., outputs]`; a: `[..., rank]`; b: `[rank, outputs]`.

        Raises:
            ValueError: when the layer is not built, the weight has a constraint, `rank` is not a positive integer, or
                the layer has low-rank weights already.

        Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685.

        Example:
            >>> import jax.numpy as jnp, jaxlayers as jl
            >>> layer = jl.layers.Dense(4)
            >>> layer(jnp.ones((1, 8))).shape
            (1, 4)
            >>> layer.enable_lora(2)
            >>> layer.kernel.shape, layer.lora_kernel_a.shape, layer.lora_kernel_b.shape
            ((8, 4), (8, 2), (2, 4))
        """
        if getattr(self, f"{self.adapted}_constraint"):
            raise ValueError(
                f"{self.path!r} has a {self.adapted}_constraint, which cannot be applied to a sum of weights. Make the "
                "layer without it."
            )
        if not self.built:
            raise ValueError(f"{self.path!r} is not built, so it has no {self.adapted!r} yet. Call it, or build() it.")
        if self.lora_enabled:
            raise ValueError(f"{self.path!r} has low-rank weights already; enable_lora can be called once.")
        rank = positive(self, "rank", rank)
        weight: Variable = getattr(self, self.adapted)
        parts = {
            "a": ((*weight.shape[:-1], rank), initializers.get(a_initializer)),
            "b": ((rank, weight.shape[-1]), initializers.get(b_initializer)),
        }
        for part, (shape, initializer) in parts.items():
            name = f"lora_{self.adapted}_{part}"
            variable = self.add_weight(shape, initializer, "float32", regularizer=weight.regularizer, name=name)
            setattr(self, name, variable)
        weight.trainable = False
        delattr(self, self.adapted)
        setattr(self, f"_{self.adapted}", weight)
        self.lora_enabled, self.lora_rank = True, rank
        self.lora_alpha = rank if lora_alpha is None else lora_alpha

    def lora_parts(self) -> tuple[Variable, Variable, Variable]:
        """The frozen weight and the two low-rank weights."""
        factors = (getattr(self, name) for name in self._factor_names())
        return (getattr(self, f"_{self.adapted}"), *factors)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Write the variables: the adapted weight `w + lora_alpha / rank * a @ b` as "0", as Keras does.

        The weight `w` and the low-rank weights follow under their names (not in Keras, which ignores them in a layer
        with low-rank weights), so that they can be loaded exactly.

        Args:
            store: a mapping that receives the arrays.
        """
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        adapted, *others = self._saved_variables_without_factors()
        store["0"] = getattr(self, self.adapted).astype(adapted.dtype)
        for number, variable in enumerate(others, 1):
            store[str(number)] = variable
        for name, variable in self._parts_by_name().items():
            store[name] = variable

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Assign the arrays that `save_own_variables` wrote, also Keras's.

        A file of Keras, or of a layer without low-rank weights, has the adapted weight alone. It is loaded as `w`, and
        one low-rank weight becomes zeros, so that the outputs are those of the file. The other one keeps its values, so
        that training goes on. (Keras sets both to zeros, and their gradients are zeros from then on.)

        Args:
            store: the arrays by name.

        Raises:
            ValueError: when an array is missing, too much or of another shape; nothing has changed then.
        """
        names = (self.adapted, *self._factor_names())
        if not self.lora_enabled:
            if self.adapted in store:  # of a layer with low-rank weights, the adapted weight is loaded
                store = {name: store[name] for name in store if name not in names}
            super().load_own_variables(store)
            return
        expected = numbered(self._saved_variables_without_factors())
        is_exact = any(name in store for name in names)
        if is_exact:
            expected |= self._parts_by_name()
        if problems := compare(expected, store):
            raise ValueError("; ".join(problems))
        for name, variable in expected.items():  # "0" is followed by the weight itself
            variable.assign(store[name])
        if not is_exact:
            _, a, b = self.lora_parts()
            zeroed = a if getattr(a.initializer, "constant_value", None) == 0 else b
            zeroed.assign(np.zeros(zeroed.shape))

    def _factor_names(self) -> tuple[str, str]:
        return f"lora_{self.adapted}_a", f"lora_{self.adapted}_b"

    def _parts_by_name(self) -> dict[str, Variable]:
        return dict(zip((self.adapted, *self._factor_names()), self.lora_parts(), strict=True))

    def _saved_variables_without_factors(self) -> list[Any]:
        _, a, b = self.lora_parts()
        return [variable for variable in self._saved_variables() if variable is not a and variable is not b]
