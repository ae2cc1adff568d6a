"""Categories as their numbers in a vocabulary: integers wherever JAX runs, strings on the host."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.core.settings import is_float
from jaxlayers.layers.preprocessing import _hashes
from jaxlayers.layers.preprocessing._host import HostArray, is_wide
from jaxlayers.layers.preprocessing._vocabulary import _DROPPED, _NOT_FOUND, IndexLookup
from jaxlayers.layers.preprocessing.hashing import hash_bins


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
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, oov_method, salt, name=name, **kwargs,
        )  # fmt: skip

    def _put(self, tokens: np.ndarray, weights: np.ndarray | None = None) -> None:
        super()._put(tokens, weights)
        keys = np.array(list(self._table), "int64")
        numbers = np.array(list(self._table.values()), "int32")
        if self.invert:
            keys = np.array([*self.get_vocabulary()], "int64") if None not in self._special else keys
        self._keys, self._numbers = keys, numbers
        if not jax.config.read("jax_enable_x64"):  # what does not fit is not among inputs of 32 bits either
            fits = (keys >= np.iinfo("int32").min) & (keys <= np.iinfo("int32").max)
            keys, numbers = keys[fits], numbers[fits] if not self.invert else numbers
        order = np.argsort(keys)
        with jax.ensure_compile_time_eval():
            self._sorted = jnp.asarray(keys[order]), jnp.asarray(numbers[order])

    def call(self, inputs: Any) -> jax.Array:
        """Look integers up, or go back."""
        raise NotImplementedError
