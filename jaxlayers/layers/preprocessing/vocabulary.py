"""The base of the layers that map tokens to numbers: IntegerLookup, StringLookup and TextVectorization.

The first number is that of the mask token, if there is one and the outputs are numbers. Then follow `num_oov_indices`
numbers for tokens that are not in the vocabulary (out of vocabulary), then the tokens. The vocabulary is part of the
config, not of the weights, for it has no fixed size. Vectors leave the mask token out.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common.settings import floatx
from jaxlayers.core import symbolic
from jaxlayers.layers.preprocessing.encoding import MODES, check_mode, encode, refuse_sparse
from jaxlayers.layers.preprocessing.hashing import standardize_salt
from jaxlayers.layers.preprocessing.host import HostLayer, as_host, batches

NOT_FOUND, DROPPED = -1, -2  # in the place of a token's number


@dataclasses.dataclass
class _Table:
    """The number of each token, in an object of its own: in a bare dict, the kernel would look for layers."""

    numbers: dict[Any, int]


@dataclasses.dataclass
class _Counted:
    """The counts of tokens, of the samples that contain each token, and of samples."""

    tokens: collections.Counter[Any] = dataclasses.field(default_factory=collections.Counter)
    samples_with: collections.Counter[Any] = dataclasses.field(default_factory=collections.Counter)
    samples: int = 0


class IndexLookup(HostLayer):
    """The base of layers that look tokens up; see `IntegerLookup` for the arguments."""

    dtype_of_tokens = "int64"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: Any = None,
        oov_token: Any = None,
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool | None = None,
        **kwargs: Any,
    ):
        super().__init__(**{"autocast": False, **kwargs})
        self.output_mode = check_mode(self, output_mode, (*MODES, "tf_idf"))
        problems = {
            f"max_tokens must be larger than 1; received {max_tokens}": max_tokens is not None and max_tokens <= 1,
            "pad_to_max_tokens needs max_tokens": pad_to_max_tokens and max_tokens is None,
            f"num_oov_indices must not be negative; received {num_oov_indices}": num_oov_indices < 0,
            f"oov_method must be 'floormod' or 'farmhash'; received {oov_method!r}": oov_method
            not in ("floormod", "farmhash"),
            f"invert goes with output_mode 'int'; received {output_mode!r}": invert and self.output_mode != "int",
            f"idf_weights go with output_mode 'tf_idf'; received {output_mode!r}": idf_weights is not None
            and self.output_mode != "tf_idf",
            "a vocabulary needs idf_weights where output_mode is 'tf_idf'": self.output_mode == "tf_idf"
            and vocabulary is not None
            and idf_weights is None,
            "salt goes with oov_method 'farmhash'": salt is not None
            and self.dtype_of_tokens == "int64"
            and oov_method != "farmhash",
        }
        for problem in (text for text, applies in problems.items() if applies):
            raise ValueError(f"{type(self).__name__}: {problem}.")
        self.max_tokens, self.num_oov_indices, self.pad_to_max_tokens = max_tokens, num_oov_indices, pad_to_max_tokens
        self.mask_token, self.oov_token = mask_token, oov_token
        self.invert, self.sparse = invert, refuse_sparse(self, sparse)
        self.oov_method, self.salt = oov_method, standardize_salt(self, salt)
        self.idf_weights: np.ndarray | None = None
        self.adaptable: bool = vocabulary is None if has_input_vocabulary is None else not has_input_vocabulary
        self._size_seen = vocabulary_size
        self._put(np.empty(0, object if self.dtype_of_tokens == "string" else "int64"))
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    # The vocabulary.

    @property
    def _first_oov(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first_token(self) -> int:
        return self._first_oov + self.num_oov_indices

    @property
    def _special(self) -> list[Any]:
        return [self.mask_token] * self._first_oov + [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their numbers.

        Args:
            include_special_tokens: If True (the default), the mask token and the tokens for unknown ones come first.
        """
        return [*(self._special if include_special_tokens else ()), *self._tokens.tolist()]

    def vocabulary_size(self) -> int:
        """Return the count of numbers, those of the mask and of unknown tokens included."""
        return self._first_token + len(self._tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary.

        Args:
            vocabulary: tokens, with or without the special ones in front; or the path of a file with one in each line.
            idf_weights: the weight of each token, for output mode `"tf_idf"`. Without special tokens in the
                vocabulary, unknown tokens get the mean.

        Raises:
            ValueError: if there are no tokens, duplicate or reserved ones, or more than `max_tokens`; if a file does
                not exist; if there are weights without `"tf_idf"`, or not one for each token.
            RuntimeError: if the size changes, and it is the size of the output vectors.
        """
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            received = "no idf_weights" if idf_weights is None else "idf_weights"
            raise ValueError(f"{self.path!r} has output_mode={self.output_mode!r}, and received {received}.")
        if isinstance(vocabulary, str | os.PathLike):
            vocabulary = self._read(vocabulary)
        listed = self._as_tokens(vocabulary)
        if listed.ndim != 1 or not listed.size:
            raise ValueError(f"{self.path!r} expects a list of tokens; received an array of shape {listed.shape}.")
        special = self._special
        with_special = len(listed) >= len(special) and listed[: len(special)].tolist() == special
        tokens = listed[len(special) :] if with_special else listed
        self._check(tokens, special)
        weights = None
        if idf_weights is not None:
            weights = np.asarray(idf_weights, floatx())
            if weights.shape != listed.shape:
                raise ValueError(
                    f"{self.path!r} expects one weight for each of {len(listed)} tokens; received idf_weights of shape "
                    f"{weights.shape}."
                )
            weights = weights if with_special else self._weigh_special(weights)
        self._note_size(self._first_token + len(tokens))
        self._put(tokens, weights)

    def _check(self, tokens: np.ndarray, special: Sequence[Any]) -> None:
        duplicates = [token for token, count in collections.Counter(tokens.tolist()).items() if count > 1]
        if duplicates:
            raise ValueError(f"{self.path!r} received a vocabulary with tokens more than once: {duplicates[:10]}.")
        reserved = [self.mask_token, *([self.oov_token] if self.invert else ())]
        misused = [token for token in reserved if token is not None and token in tokens.tolist()]
        if misused:
            raise ValueError(
                f"{self.path!r} received a vocabulary in which {misused} are tokens like others; they stand for "
                f"something else. Leave them out, or begin with {list(special)}."
            )
        size = self._first_token + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{self.path!r} has max_tokens={self.max_tokens}; received a vocabulary of {size}, special tokens "
                "included."
            )

    def _as_tokens(self, vocabulary: Any) -> np.ndarray:
        array = as_host(self, vocabulary)
        texts = array.dtype == object
        if array.size and texts != (self.dtype_of_tokens == "string"):
            raise ValueError(
                f"{self.path!r} expects tokens of type {self.dtype_of_tokens}; received {array.ravel()[0]!r}."
            )
        return array if texts else array.astype("int64")

    def _read(self, path: Any) -> list[Any]:
        if not os.path.exists(path):
            raise ValueError(f"{self.path!r} received a vocabulary file that does not exist: {path!r}.")
        with open(path, encoding=self.encoding) as file:
            lines = file.read().split("\n")
        while lines and not lines[-1]:
            lines.pop()
        return lines if self.dtype_of_tokens == "string" else [int(line) for line in lines]

    def _weigh_special(self, weights: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(self._first_token, weights.mean(), weights.dtype), weights])

    def _put(self, tokens: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Store the tokens and, in `"tf_idf"` mode, the weight of each number."""
        self._tokens = tokens
        numbers = {token: self._first_token + number for number, token in enumerate(tokens.tolist())}
        if self.mask_token is not None:
            numbers[self.mask_token] = 0 if self.output_mode == "int" else DROPPED
        self._table = _Table(numbers)
        self.idf_weights = weights

    def _note_size(self, size: int) -> None:
        fixed = self.output_mode != "int" and not self.pad_to_max_tokens
        if fixed and self._size_seen not in (None, size):
            raise RuntimeError(
                f"{self.path!r} makes vectors of {self._size_seen} numbers, and what takes them counts on it; received "
                f"a vocabulary of {size}. Make another layer, or set pad_to_max_tokens."
            )
        self._size_seen = size

    # Adapting.

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the vocabulary to the tokens of data, the most frequent first; equally frequent ones in falling order.

        A compiled function keeps the vocabulary with which it was traced.

        Args:
            data: an array or a list, each element of which is a sample, or batches in any iterable. A batch with one
                axis is one sample.
            steps: the largest number of batches; None for all.

        Raises:
            ValueError: if the layer was made with a vocabulary, or there are no tokens.
            RuntimeError: if the size changes, and it is the size of the output vectors.
        """
        self._check_adaptable()
        self.reset_state()
        for batch in batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch."""
        array = self._as_tokens(data)
        self.count(array.reshape(-1, array.shape[-1] if array.ndim else 1).tolist())

    def count(self, samples: Iterable[list[Any]]) -> None:
        """Count the tokens of samples, and the samples that contain each token."""
        self._check_adaptable()
        for sample in samples:
            self._counted.tokens.update(sample)
            if self.output_mode == "tf_idf":
                self._counted.samples_with.update(set(sample))
                self._counted.samples += 1

    def finalize_state(self) -> None:
        """Set the vocabulary to the tokens that were counted."""
        counted = self._counted
        candidates = (token for token in counted.tokens if token not in (self.mask_token, self.oov_token))
        ordered = sorted(candidates, key=lambda token: (counted.tokens[token], token), reverse=True)
        if not ordered:
            raise ValueError(f"{self.path!r} found no tokens to make a vocabulary of.")
        if self.max_tokens is not None:
            ordered = ordered[: max(0, self.max_tokens - self._first_token)]
        weights = None
        if self.output_mode == "tf_idf":
            inverse_frequencies = [
                math.log(1 + counted.samples / (1 + counted.samples_with[token])) for token in ordered
            ]
            weights = self._weigh_special(np.asarray(inverse_frequencies, floatx()))
        tokens = np.empty(len(ordered), self._tokens.dtype)
        tokens[:] = ordered
        self._note_size(self._first_token + len(tokens))
        self._put(tokens, weights)
        self.reset_state()

    def reset_state(self) -> None:
        """Reset the counts; the vocabulary stays."""
        self._counted = _Counted()

    def _check_adaptable(self) -> None:
        if not self.adaptable:
            raise ValueError(f"{self.path!r} was made with a vocabulary, so there is nothing to adapt.")

    # Looking up.

    def find(self, tokens: list[Any]) -> np.ndarray:
        """Return the number of each token, on the host; `DROPPED` for the mask token if the outputs are vectors."""
        numbers = np.fromiter((self._table.numbers.get(token, NOT_FOUND) for token in tokens), "int64", len(tokens))
        missing = np.flatnonzero(numbers == NOT_FOUND)
        if missing.size:
            numbers[missing] = self._place_unknown([tokens[i] for i in missing])
        return numbers

    def _place_unknown(self, tokens: list[Any]) -> Any:
        if self.num_oov_indices == 0:
            raise ValueError(
                f"{self.path!r} has num_oov_indices=0, and received tokens that are not in its vocabulary: "
                f"{sorted(set(tokens))[:10]}. With num_oov_indices=1 they have a number."
            )
        return self._first_oov + (self.bins(tokens) if self.num_oov_indices > 1 else 0)

    def bins(self, tokens: list[Any]) -> Any:
        """Return the position of each unknown token among the numbers for unknown tokens."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it spreads unknown tokens.")

    def encoded(self, numbers: Any) -> jax.Array:
        """Return numbers, or vectors of them, according to the output mode."""
        if self.output_mode == "int":
            return encode(jnp.asarray(numbers), "int", 0, "int64")
        if not self.pad_to_max_tokens and not len(self._tokens):
            raise RuntimeError(
                f"{self.path!r} has no vocabulary yet, so its vectors have no length: call adapt() or set_vocabulary() "
                "first, or set pad_to_max_tokens."
            )
        depth = self.max_tokens if self.pad_to_max_tokens and self.max_tokens else self.vocabulary_size()
        weighted = self.output_mode == "tf_idf"
        vectors = encode(jnp.asarray(numbers), "count" if weighted else self.output_mode, depth, self.compute_dtype)
        if not weighted:
            return vectors
        if self.idf_weights is None:
            raise ValueError(f"{self.path!r} has no idf_weights yet: call adapt() or set_vocabulary() first.")
        weights = np.pad(self.idf_weights, (0, depth - len(self.idf_weights)))
        return vectors * jnp.asarray(weights, vectors.dtype).reshape((1,) * (vectors.ndim - 1) + (-1,))

    def shape_of_encoded(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of `encoded(numbers)` for numbers of a shape; None is an unknown size."""
        return symbolic.infer(self.encoded, (symbolic.SymbolicTensor(shape, "int32"),), {})[0]

    # Configs and files.

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of this layer, with its vocabulary; Keras leaves out a vocabulary set by `adapt`."""
        names = ("invert", "max_tokens", "num_oov_indices", "oov_token", "mask_token", "output_mode", "sparse",
                 "pad_to_max_tokens", "oov_method")  # fmt: skip
        weighted = self.idf_weights is not None
        vocabulary = self.get_vocabulary(include_special_tokens=weighted) if len(self._tokens) else None
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "vocabulary_dtype": self.dtype_of_tokens,
            "vocabulary": vocabulary,
            "idf_weights": self.idf_weights.tolist() if self.idf_weights is not None else None,
            "vocabulary_size": self._size_seen,
            "salt": None if self.salt is None else list(self.salt),
            **({"has_input_vocabulary": False} if self.adaptable and vocabulary else {}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the layer that `get_config()` describes.

        Raises:
            ValueError: if the config names a file to read.
        """
        return super().from_config(without_files(cls, config))

    def save_own_variables(self, store: Any) -> None:
        """Write the weights of tokens, as Keras's files have them."""
        if self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store: Any) -> None:
        """Read the weights of tokens; the vocabulary itself comes with the config or by `load_assets`."""
        if self.output_mode == "tf_idf":
            self.idf_weights = np.asarray(store["idf_weights"])

    def save_assets(self, dir_path: Any) -> None:
        """Write the vocabulary as `vocabulary.txt` into a folder, as Keras's files have it."""
        with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding=self.encoding) as file:
            file.write("\n".join(map(str, self.get_vocabulary())))

    def load_assets(self, dir_path: Any) -> None:
        """Read the vocabulary from a folder, unless the config had it."""
        if not len(self._tokens):
            tokens = self._read(os.path.join(dir_path, "vocabulary.txt"))
            self.set_vocabulary(tokens, self.idf_weights)


def without_files(cls: type, config: dict[str, Any]) -> dict[str, Any]:
    """Return the config if it does not make its layer read a file.

    Raises:
        ValueError: if it does.
    """
    if isinstance(config.get("vocabulary"), str):
        raise ValueError(
            f"The config of {cls.__name__} names a file as its vocabulary: {config['vocabulary']!r}. A config reads no "
            "files; make the layer, then call set_vocabulary()."
        )
    return config
