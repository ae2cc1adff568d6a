"""Numbers as the bins that they fall in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core import Layer, SymbolicTensor, symbolic
from jaxlayers.layers._config import positive
from jaxlayers.layers.preprocessing.encoding import check_mode, encode, refuse_sparse


class Discretization(Layer):
    """Which bin each number falls in: bin k is `boundaries[k - 1] <= x < boundaries[k]`; the outer two have no end.

    Boundaries are given, or found by `adapt` as quantiles, such that the bins hold about as many values each. A
    compiled function keeps the boundaries with which it was traced.

    Args:
        bin_boundaries: in ascending order.
        num_bins: how many bins `adapt` shall make, instead.
        epsilon: the error of the quantiles, as a share of the values.
        output_mode: `"int"`: the numbers of the bins; `"one_hot"`, `"multi_hot"`, `"count"`: vectors of them, see
            `CategoryEncoding`.
        sparse: not supported.
        dtype: see `Layer`; numbers are compared as they come, whatever it is.
        name: likewise.

    Shapes:
        inputs: `[..., sample]`; outputs: the same, of integers; or vectors, see `CategoryEncoding`.

    Raises:
        ValueError: without either boundaries or a number of bins, with both; when called without boundaries.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> jl.layers.Discretization([0.0, 1.0])(np.array([-0.5, 0.0, 0.5, 7.0])).tolist()
        [0, 1, 1, 2]
        >>> layer = jl.layers.Discretization(num_bins=2)
        >>> layer.adapt(np.array([1.0, 2.0, 10.0, 20.0]))
        >>> layer.bin_boundaries
        [2.0]
    """

    _summary: np.ndarray  # values, and how many each stands for

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ):
        super().__init__(name=name, dtype=dtype, autocast=False)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                "Discretization takes either bin_boundaries or num_bins; received "
                f"bin_boundaries={bin_boundaries}, num_bins={num_bins}."
            )
        self.bin_boundaries = None if bin_boundaries is None else np.asarray(bin_boundaries, "float64").tolist()
        self.num_bins = None if num_bins is None else positive(self, "num_bins", num_bins)
        if not 0 < epsilon < 1:
            raise ValueError(f"Discretization: epsilon must be between 0 and 1; received {epsilon}.")
        self.epsilon = epsilon
        self.output_mode, self.sparse = check_mode(self, output_mode), refuse_sparse(self, sparse)
        self.reset_state()

    def call(self, inputs: jax.Array) -> jax.Array:
        """Find the bins."""
        if self.bin_boundaries is None:
            raise ValueError(f"{self.path!r} has no boundaries yet: call adapt() first, or give it bin_boundaries.")
        inputs = jnp.asarray(inputs).astype(jnp.promote_types(jnp.result_type(inputs), "float32"))
        indices = jnp.digitize(inputs, np.asarray(self.bin_boundaries, inputs.dtype))
        dtype = "int32" if self.output_mode == "int" else self.compute_dtype
        return encode(indices, self.output_mode, len(self.bin_boundaries) + 1, dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs, which `num_bins` decides before there are boundaries."""

        def encoded(values: jax.Array) -> jax.Array:
            depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
            return encode(values, self.output_mode, int(depth or 0), "int32")

        return symbolic.infer(encoded, (SymbolicTensor(input_shape, "int32"),), {})[0]

    @property
    def adaptable(self) -> bool:
        """Whether the boundaries come from `adapt`, and were not given."""
        return self.num_bins is not None

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find the boundaries from data. What an earlier call found is forgotten.

        Args:
            data: an array, or batches in any iterable.
            steps: how many batches at most.

        Raises:
            ValueError: when boundaries were given, or without data.
        """
        if self.num_bins is None:
            raise ValueError(f"{self.path!r} was made with bin_boundaries, so there is nothing to adapt.")
        self.reset_state()
        if hasattr(data, "shape"):
            data = [data]
        for number, batch in enumerate(data):
            if steps is not None and number >= steps:
                break
            self.update_state(batch[0] if isinstance(batch, tuple) else batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch into the summary of what was seen."""
        values = np.sort(np.asarray(data).astype("float32"), axis=None)
        step = max(values.size * self.epsilon, 1)
        picked = values[int(step - 1) :: int(step)]  # each stands for as many values as there are from one to the next
        new = np.stack([picked, np.full_like(picked, step)])
        both = np.concatenate([new, self._summary], axis=1)
        self._summary = _compressed(both[:, np.argsort(both[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Make the boundaries from the summary."""
        if self.num_bins is not None:
            if not self._summary.size:
                raise ValueError(f"{self.path!r} cannot adapt to no data.")
            self.bin_boundaries = _compressed(self._summary, 1 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forget what was seen."""
        self._summary = np.zeros((2, 0), "float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again, with the boundaries that were found."""
        return {
            "bin_boundaries": None if self.bin_boundaries is None else list(self.bin_boundaries),
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype_policy.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Discretization:
        """The layer that `get_config()` describes."""
        found = config.get("bin_boundaries") if config.get("num_bins") is not None else None
        layer = cls(**config if found is None else {**config, "bin_boundaries": None})
        layer.bin_boundaries = layer.bin_boundaries if found is None else list(found)
        return layer


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary of at most `1 / epsilon` values: those at even steps of the summed weights, by interpolation."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    total = summary[1].cumsum()
    values, weights = (np.interp(shares, total / total[-1], row) for row in (summary[0], total))
    return np.stack([values, np.diff(weights, prepend=0)]).astype("float32")
