"""The base class of IntegerLookup and StringLookup: a vocabulary, and the index of each token in it.

The indices are, in this order: the mask token (if there is one and `output_mode` is `"int"`), `num_oov_indices` indices
for tokens out of the vocabulary (OOV), and the tokens of the vocabulary. In the other output modes the mask token has
no index and no effect. The vocabulary has no fixed size, so it is part of the config and not of the weights.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers.common import assets
from jaxlayers.common.settings import floatx
from jaxlayers.core import SymbolicTensor, inference, scope
from jaxlayers.layers.preprocessing import _hashes
from jaxlayers.layers.preprocessing.encoding import MODES, check_mode, encode, refuse_sparse
from jaxlayers.layers.preprocessing.hashing import standardize_salt
from jaxlayers.layers.preprocessing.host import HostLayer, as_host, batches
from jaxlayers.numerics.spatial import one_of

_MAX_OOV = 1 << 22  # indices for tokens out of the vocabulary; each has a place in get_vocabulary()
NOT_FOUND, DROPPED = -1, -2  # in place of an index: the token is not in the vocabulary, or has no effect


@dataclasses.dataclass
class _Table:
    """The index of each token. A bare dict as an attribute would be searched for layers by the kernel."""

    indices: dict[Any, int]


@dataclasses.dataclass
class _TokenCounts:
    """The count of each token, the number of samples that contain it, and the number of samples."""

    tokens: collections.Counter[Any] = dataclasses.field(default_factory=collections.Counter)
    samples_with: collections.Counter[Any] = dataclasses.field(default_factory=collections.Counter)
    samples: int = 0


class IndexLookup(HostLayer):
    """The base of layers that look tokens up; see `IntegerLookup` for the arguments."""

    _config_attributes: ClassVar[dict[str, str | None]] = {
        "vocabulary_size": "_size_seen",
        "has_input_vocabulary": None,
    }

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
        tf_idf, integers = self.output_mode == "tf_idf", not self.text_only
        problems = {
            f"max_tokens must be at least 2; received {max_tokens}": max_tokens is not None and max_tokens <= 1,
            "pad_to_max_tokens=True needs max_tokens; received None": pad_to_max_tokens and max_tokens is None,
            f"num_oov_indices must be in [0, {_MAX_OOV}]; received {num_oov_indices}": not 0
            <= num_oov_indices
            <= _MAX_OOV,
            f"invert=True needs output_mode='int'; received {output_mode!r}": invert and self.output_mode != "int",
            f"idf_weights need output_mode='tf_idf'; received {output_mode!r}": idf_weights is not None and not tf_idf,
            f"a salt needs oov_method='farmhash'; received {oov_method!r}": salt is not None
            and integers
            and oov_method != "farmhash",
        }
        for problem in (text for text, is_problem in problems.items() if is_problem):
            raise ValueError(f"{type(self).__name__}: {problem}.")
        self.max_tokens, self.num_oov_indices, self.pad_to_max_tokens = max_tokens, num_oov_indices, pad_to_max_tokens
        self.mask_token = mask_token if mask_token is None or not integers else int(mask_token)
        self.oov_token = int(oov_token) if integers else oov_token
        self.invert, self.sparse = invert, refuse_sparse(self, sparse)
        self.oov_method = one_of(type(self).__name__, "oov_method", oov_method, ("floormod", "farmhash"))
        self.salt = standardize_salt(self, salt)
        self.idf_weights: np.ndarray | None = None
        self.adaptable: bool = vocabulary is None if has_input_vocabulary is None else not has_input_vocabulary
        self._size_seen = vocabulary_size
        self._set_tokens(np.empty(0, "int64" if integers else object))
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
        """Return the tokens in the order of their indices.

        Args:
            include_special_tokens: if True (default), the mask and OOV tokens come first; otherwise they are left out.
        """
        return [*(self._special if include_special_tokens else ()), *self._tokens.tolist()]

    def vocabulary_size(self) -> int:
        """Return the number of indices, those of the mask and OOV tokens included."""
        return self._first_token + len(self._tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary.

        Args:
            vocabulary: tokens, with or without the special ones in front; or the path of a file with one in each line.
            idf_weights: the weight of each token, for output mode `"tf_idf"` only. If the vocabulary has no special
                tokens, the weight of OOV tokens is the mean.

        Raises:
            ValueError: if the vocabulary is empty, has duplicates, has special tokens elsewhere than in front, exceeds
                `max_tokens`, or its file is missing; if the weights do not fit the output mode or the vocabulary.
            RuntimeError: if the size of output vectors would change.
        """
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            received = "no idf_weights" if idf_weights is None else "idf_weights"
            raise ValueError(
                f"{self.path!r} takes idf_weights if and only if output_mode is 'tf_idf'; received {received} with "
                f"output_mode={self.output_mode!r}."
            )
        if isinstance(vocabulary, str | os.PathLike):
            vocabulary = self._read_file(vocabulary)
        all_tokens = self._as_tokens(vocabulary)
        if all_tokens.ndim != 1 or not all_tokens.size:
            raise ValueError(f"{self.path!r} expects a list of tokens; received an array of shape {all_tokens.shape}.")
        count = self._first_token
        with_special = len(all_tokens) >= count and all_tokens[:count].tolist() == self._special
        tokens = all_tokens[count:] if with_special else all_tokens
        self._check_tokens(tokens)
        weights = None
        if idf_weights is not None:
            weights = np.asarray(idf_weights, floatx())
            if weights.shape != all_tokens.shape:
                raise ValueError(
                    f"{self.path!r} expects one weight for each of {len(all_tokens)} tokens; received idf_weights of "
                    f"shape {weights.shape}."
                )
            weights = weights if with_special else self._add_special_weights(weights)
        self._fix_size(self._first_token + len(tokens))
        self._set_tokens(tokens, weights)

    def _check_tokens(self, tokens: np.ndarray) -> None:
        duplicates = [token for token, count in collections.Counter(tokens.tolist()).items() if count > 1]
        if duplicates:
            raise ValueError(f"{self.path!r} expects each token once; received several times: {duplicates[:10]}.")
        reserved = [self.mask_token, *([self.oov_token] if self.invert else ())]
        misplaced = [token for token in reserved if token is not None and token in tokens.tolist()]
        if misplaced:
            raise ValueError(
                f"{self.path!r} received a vocabulary with the special tokens {misplaced} in a wrong place. Leave them "
                f"out, or begin the vocabulary with {self._special}."
            )
        size = self._first_token + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{self.path!r} expects at most max_tokens={self.max_tokens} tokens; received {size}, special tokens "
                "included."
            )

    def _as_tokens(self, vocabulary: Any) -> np.ndarray:
        array = as_host(self, vocabulary)
        texts = array.dtype == object
        if array.size and texts != self.text_only:
            kind = "string" if self.text_only else "int64"
            raise ValueError(f"{self.path!r} expects tokens of type {kind}; received {array.ravel()[0]!r}.")
        return array if texts else array.astype("int64")

    def _read_file(self, path: Any) -> list[Any]:
        if not os.path.exists(path):
            raise ValueError(f"{self.path!r} received the path of a vocabulary file that does not exist: {path!r}.")
        with open(path, encoding=self.encoding) as file:
            lines = file.read().split("\n")
        while lines and not lines[-1]:
            lines.pop()
        return lines if self.text_only else [int(line) for line in lines]

    def _add_special_weights(self, weights: np.ndarray) -> np.ndarray:
        return np.concatenate([np.full(self._first_token, weights.mean(), weights.dtype), weights])

    def _set_tokens(self, tokens: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Store tokens and, in `"tf_idf"` mode, the weight of each index."""
        self._tokens = tokens
        indices = {token: self._first_token + i for i, token in enumerate(tokens.tolist())}
        if self.mask_token is not None:
            indices[self.mask_token] = 0 if self.output_mode == "int" else DROPPED
        self._table = _Table(indices)
        self.idf_weights = weights

    def _fix_size(self, size: int) -> None:
        """Record the size of the vocabulary; raise if it differs from an earlier one on which vectors depend."""
        fixed = self.output_mode != "int" and not self.pad_to_max_tokens
        if fixed and self._size_seen not in (None, size):
            raise RuntimeError(
                f"{self.path!r} returns vectors of {self._size_seen} numbers, and later layers depend on this size; "
                f"received a vocabulary of {size} tokens. Make a new layer, or set pad_to_max_tokens=True."
            )
        self._size_seen = size

    # Adapting.

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Set the vocabulary to the tokens of data, in descending order of frequency and then of the token itself.

        A compiled function keeps the vocabulary with which it was traced.

        Args:
            data: an array or a list, each element of which is a sample; or an iterable of batches. A batch with one
                axis is one sample.
            steps: the largest number of batches; None (default) for all.

        Raises:
            ValueError: if the layer was created with a vocabulary; if the data has no tokens.
            RuntimeError: if the size of output vectors would change.
        """
        self._check_adaptable()
        self.reset_state()
        if isinstance(data, list | tuple | str | bytes):
            data = np.asarray(data)
        if hasattr(data, "shape") and np.ndim(data) == 1:
            data = data[:, None]  # each element is a sample
        for batch in batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch."""
        array = self._as_tokens(data)
        self.count_tokens(array.reshape(-1, array.shape[-1] if array.ndim else 1).tolist())

    def count_tokens(self, samples: Iterable[list[Any]]) -> None:
        """Count the tokens of samples, and the samples with each token."""
        self._check_adaptable()
        for sample in samples:
            self._counts.tokens.update(sample)
            if self.output_mode == "tf_idf":
                self._counts.samples_with.update(set(sample))
                self._counts.samples += 1

    def finalize_state(self) -> None:
        """Set the vocabulary to the counted tokens."""
        counts = self._counts
        candidates = (token for token in counts.tokens if token not in (self.mask_token, self.oov_token))
        ordered = sorted(candidates, key=lambda token: (counts.tokens[token], token), reverse=True)
        if not ordered:
            raise ValueError(f"{self.path!r} expects data with at least one token; received none.")
        if self.max_tokens is not None:
            ordered = ordered[: max(0, self.max_tokens - self._first_token)]
        weights = None
        if self.output_mode == "tf_idf":
            idf = [math.log(1 + counts.samples / (1 + counts.samples_with[token])) for token in ordered]
            weights = self._add_special_weights(np.asarray(idf, floatx()))
        tokens = np.empty(len(ordered), self._tokens.dtype)
        tokens[:] = ordered
        self._fix_size(self._first_token + len(tokens))
        self._set_tokens(tokens, weights)
        self.reset_state()

    def reset_state(self) -> None:
        """Reset the counts; the vocabulary stays."""
        self._counts = _TokenCounts()

    def _check_adaptable(self) -> None:
        if not self.adaptable:
            raise ValueError(f"{self.path!r} was created with a vocabulary, so it cannot adapt to data.")

    # Looking up.

    def look_up(self, tokens: list[Any]) -> np.ndarray:
        """Return the index of each token, on the host; a mask token without an index becomes `DROPPED`."""
        indices = np.fromiter((self._table.indices.get(token, NOT_FOUND) for token in tokens), "int64", len(tokens))
        missing = np.flatnonzero(indices == NOT_FOUND)
        if missing.size:
            indices[missing] = self._oov_indices([tokens[i] for i in missing])
        return indices

    def _oov_indices(self, tokens: list[Any]) -> Any:
        if self.num_oov_indices == 0:
            raise ValueError(
                f"{self.path!r} has num_oov_indices=0, and received tokens that are not in its vocabulary: "
                f"{sorted(set(tokens))[:10]}. Set num_oov_indices=1 to accept them."
            )
        return self._first_oov + (self.oov_bins(tokens) if self.num_oov_indices > 1 else 0)

    def oov_bins(self, tokens: list[Any]) -> Any:
        """Return the bin of each OOV token: the remainder modulo the number of OOV indices, or a hash."""
        array = np.array(tokens, self._tokens.dtype)
        if self.oov_method == "floormod" and not self.text_only:
            return array % self.num_oov_indices
        return (_hashes.hash_texts(array, self.salt) % np.uint64(self.num_oov_indices)).astype("int64")

    def encode_indices(self, indices: Any) -> jax.Array:
        """Return indices, or vectors of them, as `output_mode` says."""
        if self.output_mode == "int":
            return encode(jnp.asarray(indices), "int", 0, "int64")
        awaited = None if len(self._tokens) or scope.makes_arrays() else self._size_seen  # while a file is read
        if not self.pad_to_max_tokens and not len(self._tokens) and awaited is None:
            raise RuntimeError(
                f"{self.path!r} has no vocabulary, so the size of its output vectors is unknown. Call adapt() or "
                "set_vocabulary() first, or set pad_to_max_tokens=True."
            )
        depth = self.max_tokens if self.pad_to_max_tokens and self.max_tokens else awaited or self.vocabulary_size()
        weighted = self.output_mode == "tf_idf"
        vectors = encode(jnp.asarray(indices), "count" if weighted else self.output_mode, depth, self.compute_dtype)
        if not weighted or awaited is not None:
            return vectors
        if self.idf_weights is None:
            raise ValueError(f"{self.path!r} has no idf_weights. Call adapt() or set_vocabulary() first.")
        weights = np.pad(self.idf_weights, (0, depth - len(self.idf_weights)))
        return vectors * jnp.asarray(weights, vectors.dtype).reshape((1,) * (vectors.ndim - 1) + (-1,))

    def encoded_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the shape of the result of `encode_indices` for indices of a shape; None is an unknown size."""
        return inference.infer(self.encode_indices, (SymbolicTensor(shape, "int32"),), {})[0]

    # Configs and files.

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments as plain data, and the vocabulary, which Keras omits after `adapt`.

        In the file of a model, an adapted vocabulary is an asset, unless a token has a line break.
        """
        config = {**super().get_config(), "vocabulary": None}
        if len(self._tokens) and not (assets.are_apart() and self.adaptable and self._has_a_line_for_each_token()):
            config["vocabulary"] = self.get_vocabulary(include_special_tokens=self.idf_weights is not None)
            config |= {"has_input_vocabulary": False} if self.adaptable else {}
        return config

    def _has_a_line_for_each_token(self) -> bool:
        lines = [str(token) for token in self._tokens]
        return "\n".join(lines).splitlines() == lines and lines[-1] != ""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Return the layer that a result of `get_config()` describes.

        Raises:
            ValueError: if the config names a vocabulary file: files are not followed out of a config.
        """
        if isinstance(config.get("vocabulary"), str):
            raise ValueError(
                f"The config of {cls.__name__} names a vocabulary file, {config['vocabulary']!r}; from_config() reads "
                "no files. Create the layer without a vocabulary, then call set_vocabulary()."
            )
        return super().from_config(config)

    def save_own_variables(self, store: Any) -> None:
        """Write the IDF weights, under the name that Keras uses."""
        if self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights

    def load_own_variables(self, store: Any) -> None:
        """Read the IDF weights; the vocabulary comes with the config or by `load_assets`."""
        if self.output_mode == "tf_idf":
            self.idf_weights = np.asarray(store["idf_weights"])

    def save_assets(self, dir_path: Any) -> None:
        """Write the vocabulary to `vocabulary.txt` in a folder, in Keras's format."""
        with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding=self.encoding) as file:
            file.write("\n".join(map(str, self.get_vocabulary())))

    def load_assets(self, dir_path: Any) -> None:
        """Read the vocabulary from a folder, unless the config had one."""
        if not len(self._tokens):
            tokens = self._read_file(os.path.join(dir_path, "vocabulary.txt"))
            self.set_vocabulary(tokens, self.idf_weights)
