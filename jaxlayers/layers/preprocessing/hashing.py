"""Categories without a vocabulary: strings and integers hashed into bins."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import floatx, is_float
from jaxlayers.layers._config import positive
from jaxlayers.layers.preprocessing import _hashes
from jaxlayers.layers.preprocessing.encoding import check_mode, encode, refuse_sparse
from jaxlayers.layers.preprocessing.host import HostArray, HostLayer, as_host


class Hashing(HostLayer):
    """The bin of each string or integer: its hash modulo `num_bins`, the same on every machine.

    The hash is FarmHash's Fingerprint64, or SipHash-2-4 where there is a salt. Integers are hashed as their decimal
    digits, so that 12 and "12" fall into one bin; floats lose their fraction. Integers of up to 32 bits compile;
    strings and larger integers are hashed on the host. Keras needs TensorFlow for the same numbers.

    Args:
        num_bins: how many bins, that of `mask_value` included.
        mask_value: a value that gets bin 0 for itself.
        salt: an integer, or two, that make it another hash, hard to guess.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`; see `Discretization`.
        sparse: not supported.
        **kwargs: `name`, `dtype`, ... of `Layer`; the dtype is an integer one by default in `"int"` mode.

    Shapes:
        inputs: `[..., sample]`; outputs: the same, of integers; or vectors, see `CategoryEncoding`.

    Raises:
        ValueError: for `num_bins` that is no positive integer, a salt of another kind, a float dtype in `"int"` mode.

    Sources: https://github.com/google/farmhash; Aumasson and Bernstein, SipHash (2012),
    https://www.aumasson.jp/siphash/siphash.pdf.

    Example:
        >>> import jaxlayers as jl
        >>> jl.layers.Hashing(num_bins=3)([["A"], ["B"], ["C"], ["D"], ["E"]]).tolist()
        [[1], [0], [1], [1], [2]]
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ):
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else floatx()
        super().__init__(**{"autocast": False, **kwargs})
        self.num_bins = positive(self, "num_bins", num_bins)
        self.output_mode, self.sparse = check_mode(self, output_mode), refuse_sparse(self, sparse)
        if output_mode == "int" and is_float(self.compute_dtype):
            raise ValueError(f"Hashing makes integers in 'int' mode; received dtype={kwargs['dtype']!r}.")
        self.mask_value = mask_value
        self.salt = standardize_salt(self, salt)

    def call(self, inputs: Any) -> jax.Array:
        """Hash."""
        masked = self.mask_value is not None and self.num_bins > 1
        bins = hash_bins(inputs, self.num_bins - masked, self.salt)
        if masked:
            values = inputs.values if isinstance(inputs, HostArray) else inputs
            bins = jnp.where(jnp.asarray(values == self.mask_value), 0, bins + 1)
        return encode(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        own = {name: getattr(self, name) for name in ("num_bins", "mask_value", "output_mode", "sparse")}
        return {**super().get_config(), **own, "salt": None if self.salt is None else list(self.salt)}


class HashedCrossing(HostLayer):
    """The bin of each combination of categories: the hash of all features' values together, modulo `num_bins`.

    Integers of up to 32 bits compile; with strings among the features all is hashed on the host. Keras needs
    TensorFlow for the same numbers.

    Args:
        num_bins: how many bins.
        output_mode: `"int"` or `"one_hot"`.
        sparse: not supported.
        name: see `Layer`.
        dtype: likewise; an integer one by default in `"int"` mode.
        **kwargs: nothing more; there for old configs.

    Shapes:
        inputs: two features or more, in a list or tuple, of one shape: `[]`, `[batch]` or `[batch, 1]`.
        outputs: the same shape, of integers; or `[..., num_bins]`.

    Raises:
        ValueError: for one feature alone, or shapes that differ; for floats.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> letters, numbers = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102])
        >>> jl.layers.HashedCrossing(num_bins=5)((letters, numbers)).tolist()
        [1, 4, 1, 1, 3]
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, dtype="int64" if output_mode == "int" and dtype is None else dtype, autocast=False)
        self.num_bins = positive(self, "num_bins", num_bins)
        self.output_mode, self.sparse = check_mode(self, output_mode, ("int", "one_hot")), refuse_sparse(self, sparse)

    def hosted(self, value: Any) -> Any:
        """Each feature for itself."""
        if not isinstance(value, list | tuple) or len(value) < 2:
            raise ValueError(f"{self.path!r} crosses a list of two features or more; received {value!r}.")
        return [super(HashedCrossing, self).hosted(one) for one in value]

    def call(self, inputs: Any) -> jax.Array:
        """Hash the features together."""
        found = [one.values if isinstance(one, HostArray) else jnp.asarray(one) for one in inputs]
        shapes, dtypes = [one.shape for one in found], [one.dtype for one in found]
        if len(set(shapes)) > 1 or len(shapes[0]) > 2 or (len(shapes[0]) == 2 and shapes[0][1] != 1):
            raise ValueError(
                f"{self.path!r} expects features of one shape: [], [batch] or [batch, 1]; received {shapes}."
            )
        if any(dtype.kind not in "iuO" for dtype in dtypes):
            raise ValueError(f"{self.path!r} expects integers or strings; received {', '.join(map(str, dtypes))}.")
        if all(dtype.itemsize <= 4 for dtype in dtypes):
            bins = _hashes.join_integers(found, self.num_bins)
        else:
            arrays = [as_host(self, one) for one in found]
            hashes = [_hashes.hash_texts(one) if one.dtype == object else one.astype("uint64") for one in arrays]
            bins = jnp.asarray(_hashes.join_hashes(hashes, self.num_bins))
        return encode(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again."""
        own = {name: getattr(self, name) for name in ("num_bins", "output_mode", "sparse", "name")}
        return {**own, "dtype": self.dtype_policy.name}


def hash_bins(values: Any, bins: int, salt: tuple[int, int] | None) -> jax.Array:
    """The bin of each value, where it is: of host arrays on the host, of arrays in JAX."""
    if not isinstance(values, HostArray):
        values = jnp.asarray(values)
        if is_float(values.dtype):
            values = values.astype(jax.dtypes.canonicalize_dtype("int64"))
        if values.dtype.itemsize <= 4:
            return _hashes.hash_integers(values, bins, salt)
    array = values.values if isinstance(values, HostArray) else np.asarray(values)
    return jnp.asarray((_hashes.hash_texts(array, salt) % np.uint64(bins)).astype("int32"))


def standardize_salt(layer: Any, salt: Any) -> tuple[int, int] | None:
    """A salt of two integers, of one or of two.

    Raises:
        ValueError: for anything else.
    """
    pair = salt if isinstance(salt, list | tuple) else (salt, salt)
    if salt is None:
        return None
    if len(pair) != 2 or not all(isinstance(one, int) and not isinstance(one, bool) for one in pair):
        raise ValueError(f"{type(layer).__name__}: salt must be an integer, or two; received {salt!r}.")
    return tuple(one % 2**64 for one in pair)
