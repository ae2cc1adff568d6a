"""Texts as numbers of their words."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxlayers.layers.preprocessing.host import HostArray, HostLayer, as_host, batches
from jaxlayers.layers.preprocessing.lookup import StringLookup
from jaxlayers.layers.preprocessing.vocabulary import DROPPED, without_files
from jaxlayers.saving import deserialize_keras_object, serialize_keras_object

_LOWER = dict(zip(map(ord, string.ascii_uppercase), string.ascii_lowercase, strict=True))
_BARE = dict.fromkeys(map(ord, string.punctuation))
_STANDARDIZE = {"lower": _LOWER, "strip_punctuation": _BARE, "lower_and_strip_punctuation": {**_LOWER, **_BARE}}
_SPLIT: dict[str, Callable[[str], list[str]]] = {
    "whitespace": re.compile(r"[^ \t\n\v\f\r]+").findall,
    "character": list,
}


class TextVectorization(HostLayer):
    """Texts made plain, split into tokens, and those looked up in a vocabulary; runs on the host.

    The vocabulary is given or found by `adapt`. As in TensorFlow, only letters of ASCII are made lower-case, only its
    punctuation is taken away, and only its white space splits. JAX has no strings, so the layer takes lists and NumPy
    arrays, and cannot be a part of a compiled function or of a graph of symbolic tensors; its numbers can. Keras
    needs TensorFlow.

    Args:
        max_tokens: the size of the vocabulary at most, special tokens included.
        standardize: `"lower"`, `"strip_punctuation"`, `"lower_and_strip_punctuation"`, None, or a function of a NumPy
            array of strings.
        split: `"whitespace"`, `"character"`, None, or a function of a NumPy array of strings that returns a list of
            tokens for each. Without splitting, each string is a token and the last axis is a sample.
        ngrams: also make tokens of n neighbours, joined by a space: for every n up to an integer, or for those in a
            tuple.
        output_mode: `"int"`: the numbers of the tokens, filled up with 0; `"multi_hot"`, `"count"`, `"tf_idf"`,
            `"one_hot"`: vectors, see `IntegerLookup`.
        output_sequence_length: the number of tokens of each text in `"int"` mode, cut or filled up; by default that
            of the longest.
        pad_to_max_tokens: whether vectors have `max_tokens` numbers even if the vocabulary has less.
        vocabulary: tokens, with or without `""` and `"[UNK]"` in front; or the path of a file, one in each line.
        idf_weights: the weight of each token, for `"tf_idf"`.
        sparse: not supported.
        ragged: not supported.
        encoding: of strings that come as `bytes`, and of files.
        name: see `Layer`.
        **kwargs: `dtype`, ... of `Layer`.

    Shapes:
        inputs: texts `[batch]` or `[batch, 1]`; outputs: `[batch, tokens]`, or vectors `[batch, size of vocabulary]`.

    Raises:
        TypeError: for what has no values: traced arrays, symbolic tensors.
        ValueError: for arguments that do not go together.

    Example:
        >>> import jaxlayers as jl
        >>> layer = jl.layers.TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["foo bar", "bar baz", "baz bada boom"])
        >>> layer.get_vocabulary()
        ['', '[UNK]', 'baz', 'bar', 'foo', 'boom', 'bada']
        >>> layer([["Foo, qux: bar!"], ["qux baz"]]).tolist()
        [[4, 1, 3, 0], [1, 2, 0, 0]]
    """

    text_only = True

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: int | tuple[int, ...] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ):
        own = {key: kwargs.pop(key) for key in ("has_input_vocabulary", "vocabulary_size") if key in kwargs}
        super().__init__(name=name, **{"autocast": False, **kwargs})
        for argument, value, known in (("standardize", standardize, _STANDARDIZE), ("split", split, _SPLIT)):
            if value is not None and not callable(value) and value not in known:
                raise ValueError(
                    f"TextVectorization: {argument} must be one of {list(known)}, None or a function; received "
                    f"{value!r}."
                )
        widths = range(1, ngrams + 1) if isinstance(ngrams, int) else ngrams
        if widths is not None and not all(isinstance(width, int) and width > 0 for width in widths):
            raise ValueError(f"TextVectorization: ngrams must be None, an integer or a tuple; received {ngrams!r}.")
        if ragged:
            raise ValueError("TextVectorization fills texts up to one length; received ragged=True.")
        self._standardize, self._split, self._ngrams = standardize, split, ngrams
        self._widths = None if widths is None else tuple(widths)
        self._output_sequence_length, self._ragged, self.encoding = output_sequence_length, ragged, encoding
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            encoding=encoding,
            dtype=self.dtype_policy,
            **own,
        )
        self._output_mode = self._lookup_layer.output_mode
        if output_sequence_length is not None and (
            self._output_mode != "int" or not isinstance(output_sequence_length, int) or output_sequence_length < 0
        ):
            raise ValueError(
                "TextVectorization: output_sequence_length must be an integer, and goes with output_mode 'int'; "
                f"received {output_sequence_length!r} and {output_mode!r}."
            )

    def call(self, inputs: HostArray) -> jax.Array:
        """Make tokens, and look them up."""
        texts = inputs.values
        lines = self._tokens(texts)
        length = max(map(len, lines), default=0)
        if self._output_sequence_length is not None:
            length = self._output_sequence_length
        lines = [line[:length] for line in lines]
        sizes = np.fromiter(map(len, lines), "int64", len(lines))
        numbers = np.full((len(lines), length), 0 if self._output_mode == "int" else DROPPED, "int64")
        numbers[np.arange(length) < sizes[:, None]] = self._lookup_layer.find([token for one in lines for token in one])
        return self._lookup_layer.encoded(numbers.reshape(self._shape_of_numbers(texts.shape, length)))

    def _shape_of_numbers(self, shape: Sequence[Any], length: int | None) -> tuple[Any, ...]:
        """The shape of the numbers for texts of a shape, of `length` tokens each."""
        plain = self._output_mode == "int" and self._widths is None and self._output_sequence_length is None
        if self._split is None and plain:  # a number for each string, where it is
            return tuple(shape)
        return (*(shape[:-1] if len(shape) > 1 else shape), length)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for texts of a shape, None being an unknown size."""
        return self._lookup_layer.shape_of_encoded(self._shape_of_numbers(input_shape, self._output_sequence_length))

    def _tokens(self, texts: np.ndarray) -> list[list[str]]:
        """The tokens of each sample."""
        if texts.dtype != object and texts.size:
            raise TypeError(f"{self.path!r} expects strings; received {texts.dtype.name}.")
        if callable(self._standardize):
            texts = as_host(self, self._standardize(texts.astype(str)))
        elif self._standardize is not None:
            table, shape = _STANDARDIZE[self._standardize], texts.shape
            texts = np.array([text.translate(table) for text in texts.ravel().tolist()], object).reshape(shape)
        if self._split is None:
            lines = texts.reshape(-1, texts.shape[-1] if texts.ndim > 1 else 1).tolist()
        else:
            if texts.ndim > 1 and texts.shape[-1] != 1:
                raise ValueError(
                    f"{self.path!r} splits texts of shape [batch] or [batch, 1]; received {texts.shape}. Give "
                    "split=None for texts that are split already."
                )
            flat = texts.ravel()
            if callable(self._split):
                lines = [as_host(self, list(line)).tolist() for line in self._split(flat.astype(str))]
            else:
                lines = list(map(_SPLIT[self._split], flat.tolist()))
        return lines if self._widths is None else [_grams(line, self._widths) for line in lines]

    # The vocabulary.

    @property
    def adaptable(self) -> bool:
        """Whether the vocabulary comes from `adapt`, and was not given."""
        return self._lookup_layer.adaptable

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Find the vocabulary of texts; see `IntegerLookup.adapt`.

        Args:
            data: texts in an array or a list, or batches of them in any iterable.
            batch_size: not used.
            steps: how many batches at most.

        Raises:
            ValueError: when the vocabulary was given; without tokens.
            RuntimeError: for another size than before, where it is that of vectors.
        """
        self.reset_state()
        for batch in batches(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch of texts."""
        self._lookup_layer.count(self._tokens(as_host(self, data)))

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forget what was counted, not the vocabulary."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The tokens, in the order of their numbers; see `IntegerLookup.get_vocabulary`."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """How many numbers there are, those of the mask and of what is not in the vocabulary included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Put a vocabulary in the place of the one that is held; see `IntegerLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    # Configs and files.

    def get_config(self) -> dict[str, Any]:
        """The arguments that make this layer again, with its vocabulary."""
        below = self._lookup_layer.get_config()
        names = (
            "max_tokens",
            "pad_to_max_tokens",
            "sparse",
            "vocabulary",
            "idf_weights",
            "vocabulary_size",
            "encoding",
        )
        return {
            **super().get_config(),
            **{name: below[name] for name in names},
            "standardize": serialize_keras_object(self._standardize),
            "split": serialize_keras_object(self._split),
            "ngrams": self._ngrams,
            "output_mode": self._output_mode,
            "output_sequence_length": self._output_sequence_length,
            "ragged": self._ragged,
            **{name: below[name] for name in ("has_input_vocabulary",) if name in below},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextVectorization:
        """The layer that `get_config()` describes.

        Raises:
            ValueError: when the config says to read a file; for functions that are not registered.
        """
        config = without_files(cls, dict(config))
        for name in ("standardize", "split"):
            if isinstance(config.get(name), dict):
                config[name] = deserialize_keras_object(config[name])
        if isinstance(config.get("ngrams"), list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)

    def save_own_variables(self, store: Any) -> None:
        """Write the weights of tokens, as Keras's files have them."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        """Read the weights of tokens."""
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, dir_path: Any) -> None:
        """Write the vocabulary as `vocabulary.txt` into a folder."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: Any) -> None:
        """Read the vocabulary from a folder, unless the config had it."""
        self._lookup_layer.load_assets(dir_path)


def _grams(tokens: list[str], widths: tuple[int, ...]) -> list[str]:
    return [" ".join(tokens[i : i + width]) for width in widths for i in range(len(tokens) - width + 1)]
