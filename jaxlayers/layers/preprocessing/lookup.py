"""Categories as their numbers in a vocabulary: integers wherever JAX runs, strings on the host."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.layers.preprocessing import _hashes
from jaxlayers.layers.preprocessing.hashing import hash_bins
from jaxlayers.layers.preprocessing.host import HostArray, is_wide
from jaxlayers.layers.preprocessing.vocabulary import NOT_FOUND, IndexLookup


class IntegerLookup(IndexLookup):
    """The number of each integer in a vocabulary, which is given or found by `adapt`.

    Integers of up to 32 bits compile, by bisection of the sorted vocabulary; larger ones are looked up on the host.
    Compiled, or traced, a layer with `num_oov_indices=0` cannot raise: what is not in its vocabulary gets -1. Vectors
    are of the layer's compute dtype, which is what Keras says of its own; it returns integers. Keras needs TensorFlow.

    Args:
        max_tokens: the size of the vocabulary at most, special tokens included.
        num_oov_indices: how many numbers there are for integers out of the vocabulary.
        mask_token: an integer that is none: number 0, or nothing in vectors.
        oov_token: what stands for integers out of the vocabulary in `get_vocabulary` and where the layer is inverted.
        vocabulary: the integers, with or without the special ones in front; or the path of a file, one in each line.
        vocabulary_dtype: `"int64"`.
        idf_weights: the weight of each token, for `"tf_idf"`.
        invert: whether to go back from numbers to integers.
        output_mode: `"int"`: the numbers; `"one_hot"`, `"multi_hot"`, `"count"`: vectors, see `CategoryEncoding`;
            `"tf_idf"`: counts times weights; `adapt` makes these `log(1 + samples / (1 + samples with the token))`.
        sparse: not supported.
        pad_to_max_tokens: whether vectors have `max_tokens` numbers even if the vocabulary has less.
        oov_method: how several numbers out of the vocabulary are shared: `"floormod"`, the remainder; `"farmhash"`,
            see `Hashing`.
        salt: see `Hashing`; for `"farmhash"`.
        name: see `Layer`.
        **kwargs: `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[..., sample]`; outputs: the same, of integers; or vectors, see `CategoryEncoding`.

    Raises:
        ValueError: for arguments that do not go together; for an unknown integer when there is no number for it.

    Example:
        >>> import numpy as np, jaxlayers as jl
        >>> layer = jl.layers.IntegerLookup()
        >>> layer.adapt(np.array([[12, 1138, 42], [42, 1000, 36]]))
        >>> layer.get_vocabulary()
        [-1, 42, 1138, 1000, 36, 12]
        >>> layer(np.array([42, 7, 12])).tolist()
        [1, 0, 5]
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        if vocabulary_dtype != "int64":
            raise ValueError(f"IntegerLookup: vocabulary_dtype must be 'int64'; received {vocabulary_dtype!r}.")
        super().__init__(
            max_tokens, num_oov_indices, None if mask_token is None else int(mask_token), int(oov_token), vocabulary,
            idf_weights, invert, output_mode, sparse, pad_to_max_tokens, oov_method, salt, name=name, **kwargs,
        )  # fmt: skip

    def _put(self, tokens: np.ndarray, weights: np.ndarray | None = None) -> None:
        super()._put(tokens, weights)
        table = self._table.numbers
        keys, numbers = (np.array([*found], "int64") for found in (table, table.values()))
        if not jax.config.read("jax_enable_x64"):  # what does not fit is not among inputs of 32 bits either
            narrow = (keys >= np.iinfo("int32").min) & (keys <= np.iinfo("int32").max)
            keys, numbers = keys[narrow], numbers[narrow]
        order = np.argsort(keys)
        with jax.ensure_compile_time_eval():
            self._sorted = jnp.asarray(keys[order]), jnp.asarray(numbers[order].astype("int32"))

    def call(self, inputs: Any) -> jax.Array:
        """Look integers up, or go back."""
        if isinstance(inputs, HostArray):
            if inputs.values.dtype == object:
                raise TypeError(f"{self.path!r} looks integers up; received strings. StringLookup is for those.")
            values = inputs.values.ravel().tolist()
            if not self.invert:
                return self.encoded(self.find(values).reshape(inputs.values.shape))
            inputs = np.where(inputs.values == np.clip(inputs.values, -1, len(self._tokens)), inputs.values, -1)
        inputs = jnp.asarray(inputs)
        if self.invert:
            return self._invert(inputs.astype("int32"))
        numbers = _look_up(inputs, *self._sorted, self._first_oov, self.num_oov_indices, self.oov_method, self.salt)
        if self.num_oov_indices == 0 and not isinstance(numbers, jax.core.Tracer):
            unknown = np.asarray(inputs)[np.asarray(numbers) == NOT_FOUND]
            if unknown.size:
                self._place_unknown(unknown.tolist())
        return self.encoded(numbers)

    def _invert(self, numbers: jax.Array) -> jax.Array:
        tokens = np.array(self.get_vocabulary(), "int64")
        if is_wide(tokens) and not jax.config.read("jax_enable_x64"):
            raise ValueError(
                f"{self.path!r} has integers of more than 32 bits in its vocabulary, which JAX has no arrays for "
                "unless told so: jax.config.update('jax_enable_x64', True)."
            )
        known = (numbers >= 0) & (numbers < len(tokens))
        return jnp.where(known, jnp.asarray(tokens)[jnp.where(known, numbers, 0)], self.oov_token)

    def bins(self, tokens: list[Any]) -> Any:
        """The remainder, or the hash."""
        array = np.array(tokens)
        if self.oov_method == "floormod":
            return array % self.num_oov_indices
        return (_hashes.hash_texts(array, self.salt) % np.uint64(self.num_oov_indices)).astype("int64")


class StringLookup(IndexLookup):
    """The number of each string in a vocabulary, which is given or found by `adapt`; runs on the host.

    JAX has no strings, so it takes lists and NumPy arrays, of `str` or `bytes`, and cannot be a part of a compiled
    function or of a graph of symbolic tensors; its numbers can. Vectors are of the layer's compute dtype. Keras needs
    TensorFlow.

    Args:
        max_tokens: see `IntegerLookup`, as for those that follow.
        num_oov_indices: likewise; several are shared by hash, see `Hashing`.
        mask_token: likewise.
        oov_token: likewise.
        vocabulary: likewise.
        idf_weights: likewise.
        invert: likewise; strings come out as a NumPy array.
        output_mode: likewise.
        pad_to_max_tokens: likewise.
        sparse: not supported.
        encoding: of strings that come as `bytes`, and of files.
        name: see `Layer`.
        salt: see `Hashing`.
        **kwargs: `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[..., sample]`; outputs: the same, of integers; or vectors, see `CategoryEncoding`.

    Raises:
        TypeError: for what has no values: traced arrays, symbolic tensors.
        ValueError: see `IntegerLookup`.

    Example:
        >>> import jaxlayers as jl
        >>> layer = jl.layers.StringLookup(vocabulary=["a", "b", "c"])
        >>> layer([["c", "a"], ["z", "b"]]).tolist()
        [[3, 1], [0, 2]]
        >>> layer.get_vocabulary()
        ['[UNK]', 'a', 'b', 'c']
    """

    text_only = True
    dtype_of_tokens = "string"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        **kwargs: Any,
    ):
        self.encoding = encoding
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, salt=salt, name=name, **kwargs,
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """Look strings up, or go back."""
        values = inputs.values
        if (values.dtype == object) == self.invert and values.size:
            wanted, found = ("numbers", "strings") if self.invert else ("strings", values.dtype.name)
            raise TypeError(f"{self.path!r} expects {wanted}; received {found}.")
        if self.invert:
            tokens = dict(enumerate(self.get_vocabulary()))
            back = [tokens.get(number, self.oov_token) for number in values.ravel().tolist()]
            return np.array(back, str).reshape(values.shape)
        return self.encoded(self.find(values.ravel().tolist()).reshape(values.shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for strings of a shape, None being an unknown size."""
        return tuple(input_shape) if self.invert else self.shape_of_encoded(input_shape)

    def bins(self, tokens: list[Any]) -> Any:
        """The hash."""
        hashes = _hashes.hash_texts(np.array(tokens, object), self.salt)
        return (hashes % np.uint64(self.num_oov_indices)).astype("int64")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again, with its vocabulary."""
        config = super().get_config()
        del config["vocabulary_dtype"]
        return {**config, "encoding": self.encoding}


@functools.partial(jax.jit, static_argnums=(3, 4, 5, 6))
def _look_up(
    inputs: jax.Array, keys: jax.Array, numbers: jax.Array, first_oov: int, oov: int, method: str, salt: Any
) -> jax.Array:
    """The number of each input among sorted keys; of others, one of those for what is not in the vocabulary."""
    inputs = inputs.astype(keys.dtype)
    if keys.size:
        place = jnp.minimum(jnp.searchsorted(keys, inputs), keys.size - 1)
        found = jnp.where(keys[place] == inputs, numbers[place], NOT_FOUND)
    else:
        found = jnp.full(inputs.shape, NOT_FOUND, numbers.dtype)
    if oov == 0:
        return found
    unknown: Any = 0
    if oov > 1:
        unknown = inputs % oov if method == "floormod" else hash_bins(inputs, oov, salt)
    return jnp.where(found == NOT_FOUND, first_oov + unknown, found)
