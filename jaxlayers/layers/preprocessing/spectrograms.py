"""`STFTSpectrogram` and `MelSpectrogram`: the strength of each frequency of a signal over time."""

from __future__ import annotations

import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxlayers import initializers, ops
from jaxlayers.common.array_like import unwrap
from jaxlayers.common.settings import epsilon, is_float
from jaxlayers.core import InputSpec, Layer, Variable
from jaxlayers.layers._config import positive
from jaxlayers.numerics.spatial import format_of, one_of
from jaxlayers.numerics.types import wide

_MAX_MATRIX = 1 << 22
_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
_PADDINGS = ("valid", "same")


class STFTSpectrogram(Layer):
    """The short-time Fourier transform (STFT) of signals, as a convolution with trainable kernels.

    The computation is in float32, or in float64 for such inputs; the outputs have the compute dtype.

    Args:
        mode: the quantity that is returned. `"real"`, `"imag"`: the real, imaginary part; `"stft"`: both; `"angle"`:
            the angle in radians; `"magnitude"`: `sqrt(max(real^2 + imag^2, epsilon))`; `"log"` (default): the natural
            logarithm of the magnitude; `"psd"`: `real^2 + imag^2`, doubled for all frequencies but the first and last.
        frame_length: the length of a frame, in samples; 256 by default.
        frame_step: the distance between the starts of frames, in samples; `frame_length // 2` by default.
        fft_length: the length of the transform, at least `frame_length`; the next power of two by default.
        window: the name of a window of SciPy, an array with the window, or None for no window; `"hann"` by default.
        periodic: if True, a window given by name is periodic, otherwise (default) symmetric.
        scaling: `"density"` (default), `"spectrum"` or None; see `initializers.STFT`.
        padding: `"valid"` (default) or `"same"`.
        expand_dims: if True, frequencies and channels are two axes. False by default.
        data_format: `"channels_last"` or `"channels_first"`; `config.image_data_format()` by default.
        **kwargs: `name`, `trainable`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[batch, time, channels]`.
        kernels: `[frame_length, 1, frequencies]`, with `frequencies = fft_length // 2 + 1`.
        outputs: `[batch, frames, channels * frequencies]`; with `expand_dims=True`,
        `[batch, frames, frequencies, channels]`. In mode `"stft"`, `frequencies` is twice as large.
        With `data_format="channels_first"`: inputs `[batch, channels, time]`, outputs
        `[batch, channels * frequencies, frames]` or `[batch, channels, frames, frequencies]`.

    Raises:
        ValueError: if an argument is outside its allowed values.
        TypeError: when called, if the inputs are not floating.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> layer = jl.layers.STFTSpectrogram("magnitude", frame_length=8, window=None, scaling=None)
        >>> waves = jnp.cos(jnp.arange(32.0) * jnp.pi / 2)[None, :, None]
        >>> layer(waves).shape, int(layer(waves)[0, 0].argmax())
        ((1, 7, 5), 2)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: str | None = "density",
        padding: str = "valid",
        expand_dims: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**{"autocast": False, **kwargs})
        where = "STFTSpectrogram"
        if frame_step is not None and not 1 <= frame_step <= frame_length:
            raise ValueError(
                f"STFTSpectrogram: frame_step must be from 1 to frame_length={frame_length}; received {frame_step}."
            )
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                f"STFTSpectrogram: fft_length must be at least frame_length={frame_length}; received {fft_length}."
            )
        if fft_length is not None and fft_length & (fft_length - 1):
            warnings.warn(f"STFTSpectrogram: fft_length should be a power of two; received {fft_length}.", stacklevel=2)
        self._kernel_of = {side: initializers.STFT(side, window, scaling, periodic) for side in ("real", "imag")}
        self.mode, self.padding = one_of(where, "mode", mode, _MODES), one_of(where, "padding", padding, _PADDINGS)
        self.frame_length, self.frame_step = positive(self, "frame_length", frame_length), frame_step
        self.fft_length, self.window, self.periodic = fft_length, window, periodic
        self.scaling, self.expand_dims, self.data_format = scaling, expand_dims, format_of(where, data_format)
        self.input_spec = InputSpec(ndim=3)
        self.real_kernel: Variable | Any = None
        self.imag_kernel: Variable | Any = None

    def build(self, input_shape: Any) -> None:
        """Make the kernels of the real and the imaginary part, if the mode needs them."""
        fft_length = self.fft_length or 2 ** math.ceil(math.log2(self.frame_length))
        shape = (self.frame_length, 1, fft_length // 2 + 1)
        if self.mode != "imag":
            self.real_kernel = self.add_weight(shape, self._kernel_of["real"], name="real_kernel")
        if self.mode != "real":
            self.imag_kernel = self.add_weight(shape, self._kernel_of["imag"], name="imag_kernel")
        super().build(input_shape)

    def call(self, inputs: jax.Array) -> jax.Array:
        """Transform each channel, and arrange the axes as `data_format` and `expand_dims` say."""
        if not is_float(inputs.dtype):
            raise TypeError(f"{self.path!r} expects inputs of a floating dtype; received {inputs.dtype}.")
        signals = wide(inputs)
        if self.data_format == "channels_last":
            signals = signals.swapaxes(1, 2)  # [batch, channels, time]
        batch, channels, time = signals.shape
        kernels = [unwrap(kernel) for kernel in (self.real_kernel, self.imag_kernel) if kernel is not None]
        parts = ops.conv(
            signals.reshape(batch * channels, time, 1),
            jnp.concatenate(kernels, -1).astype(signals.dtype),
            strides=self.frame_step or self.frame_length // 2,
            padding=self.padding,
            data_format="channels_last",
        )
        outputs = self._convert(parts.reshape(batch, channels, *parts.shape[1:])).astype(self.compute_dtype)
        if self.expand_dims:
            return outputs if self.data_format == "channels_first" else outputs.transpose(0, 2, 3, 1)
        _, _, frames, frequencies = outputs.shape
        flat = outputs.transpose(0, 1, 3, 2).reshape(batch, channels * frequencies, frames)
        return flat if self.data_format == "channels_first" else flat.swapaxes(1, 2)

    def _convert(self, parts: jax.Array) -> jax.Array:
        """Return the quantity that `mode` names, from both parts, [batch, channels, frames, frequencies]."""
        if self.mode in ("real", "imag", "stft"):
            return parts
        real, imag = jnp.split(parts, 2, -1)
        if self.mode == "angle":
            return jnp.arctan2(imag, real)
        power = real**2 + imag**2
        if self.mode == "psd":
            return power.at[..., 1:-1].multiply(2)
        magnitude = jnp.sqrt(jnp.maximum(power, epsilon()))
        return magnitude if self.mode == "magnitude" else jnp.log(jnp.maximum(magnitude, epsilon()))


class MelSpectrogram(Layer):
    """The mel spectrogram of signals in decibels: `10 log10(max(p, min_power) / ref_power)`, `p = |stft|^mag_exp mel`.

    `mel` is the matrix of `linear_to_mel_weight_matrix`. Values more than `top_db` below the largest value of the whole
    batch are raised to this limit, as in Keras. The computation is in float32, or in float64 for such inputs.

    Args:
        fft_length: the length of the Fourier transform, in samples, at least `sequence_length`; 2048 by default.
        sequence_stride: the distance between the starts of frames, in samples; 512 by default.
        sequence_length: the length of a frame, in samples; `fft_length` by default.
        window: `"hann"` (default), `"hamming"`, an array of `sequence_length` numbers, or None for no window.
        sampling_rate: the sampling rate in hertz; 16000 by default.
        num_mel_bins: the number of mel bands; 128 by default.
        min_freq: the lowest frequency, in hertz; 20 by default.
        max_freq: the highest frequency, in hertz; half the sampling rate by default.
        power_to_db: if True (default), the result is in decibels; otherwise it is p.
        top_db: the largest difference between two results, in decibels; 80 by default.
        mag_exp: the exponent of the magnitude; 2 (default) for the power.
        min_power: the lower limit of p in the logarithm; 1e-10 by default.
        ref_power: the power of 0 decibels; 1 by default. Its absolute value is used, at least `min_power`.
        **kwargs: `name`, `dtype`, ... of `Layer`.

    Shapes:
        inputs: `[time]` or `[batch, time]`.
        outputs: `[..., num_mel_bins, frames]`.

    Raises:
        ValueError: if `fft_length` is less than `sequence_length`, or a length is not a positive integer.

    Example:
        >>> import jax.numpy as jnp, jaxlayers as jl
        >>> jl.layers.MelSpectrogram(64, 16, num_mel_bins=10)(jnp.sin(jnp.arange(160.0))).shape
        (10, 11)
    """

    built = True  # it has no weights

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**{"autocast": False, **kwargs})
        self.fft_length = positive(self, "fft_length", fft_length)
        self.sequence_stride = positive(self, "sequence_stride", sequence_stride)
        self.sequence_length = positive(self, "sequence_length", sequence_length or fft_length)
        if fft_length < self.sequence_length:
            raise ValueError(
                f"MelSpectrogram: fft_length must be at least sequence_length={self.sequence_length}; received "
                f"{fft_length}."
            )
        self.window, self.sampling_rate = window, sampling_rate
        self.num_mel_bins = positive(self, "num_mel_bins", num_mel_bins)
        if self.num_mel_bins * fft_length > _MAX_MATRIX:
            raise ValueError(
                f"MelSpectrogram: num_mel_bins * fft_length must be at most {_MAX_MATRIX}, because the matrix of the "
                f"bands is computed on the host; received {num_mel_bins} * {fft_length}."
            )
        self.min_freq, self.max_freq = min_freq, max_freq or int(sampling_rate / 2)
        self.power_to_db, self.top_db, self.mag_exp = power_to_db, top_db, mag_exp
        self.min_power, self.ref_power = min_power, ref_power

    def call(self, inputs: jax.Array) -> jax.Array:
        """Return the mel spectrogram of the signals."""
        inputs = jnp.asarray(inputs)
        inputs = inputs.astype("float64" if inputs.dtype == "float64" else "float32")
        real, imag = ops.stft(inputs, self.sequence_length, self.sequence_stride, self.fft_length, self.window)
        # The lower bound keeps the gradient of the root of the energy finite at 0.
        energy = jnp.maximum(real**2 + imag**2, np.finfo("float32").tiny)
        matrix = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, energy.shape[-1], self.sampling_rate, self.min_freq, self.max_freq
        )
        bands = jnp.matmul(energy ** (self.mag_exp / 2), matrix)  # [..., frames, num_mel_bins]
        if self.power_to_db:
            reference = max(abs(self.ref_power), self.min_power)
            bands = 10 * jnp.log10(jnp.maximum(bands, self.min_power)) - 10 * math.log10(reference)
            bands = jnp.maximum(bands, bands.max() - self.top_db)
        return bands.swapaxes(-1, -2).astype(self.compute_dtype)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: float = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: Any = "float32",
    ) -> jax.Array:
        """Return the matrix that maps a spectrum to mel bands.

        Each band is a triangle over the frequencies on the mel scale, with height 1. A frequency of f hertz is
        `1127 log(1 + f / 700)` mel. The edges of the bands are equally spaced on this scale. Frequency 0 is in no band.

        Args:
            num_mel_bins: the number of bands; 20 by default.
            num_spectrogram_bins: the number of frequencies, from 0 to half the sampling rate; 129 by default.
            sampling_rate: the sampling rate in hertz; 8000 by default.
            lower_edge_hertz: the lower edge of the first band, in hertz; 125 by default.
            upper_edge_hertz: the upper edge of the last band, in hertz; 3800 by default.
            dtype: the dtype of the result, float32 by default; the computation is in float64.

        Returns:
            A matrix `[num_spectrogram_bins, num_mel_bins]`.
        """

        def mel(hertz: Any) -> Any:
            return 1127.0 * np.log1p(np.asarray(hertz, "float64") / 700.0)

        frequencies = mel(np.linspace(0.0, sampling_rate / 2, num_spectrogram_bins))[:, None]
        edges = np.linspace(mel(lower_edge_hertz), mel(upper_edge_hertz), num_mel_bins + 2)
        lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (frequencies - lower) / (centre - lower), (upper - frequencies) / (upper - centre)
        matrix = np.maximum(0.0, np.minimum(rising, falling))
        matrix[0] = 0.0
        return jnp.asarray(matrix, dtype)
