"""Layers that look up, count, hash and cut into bins; and spectrograms."""

from __future__ import annotations

import numpy as np

from jaxlayers import layers
from tests.layers.table import Case, floats, integers

TENSORFLOW = "Keras's needs TensorFlow"
IDS = np.random.default_rng(5).integers(-40, 40, (4, 3)).astype("int32")
SIGNALS = floats(3, 40, 2)
FRAMES = {"frame_length": 8, "frame_step": 3}
MEL = {"fft_length": 16, "sequence_stride": 5, "num_mel_bins": 4, "sampling_rate": 800}
KNOWN = {"vocabulary": [7, -3, 12, 5, *range(20, 40)]}


def spectrogram(name: str, **more: object) -> Case:
    signals = SIGNALS.swapaxes(1, 2) if more.get("data_format") == "channels_first" else SIGNALS
    return Case(f"stft_spectrogram_{name}", layers.STFTSpectrogram, {**FRAMES, **more}, signals, half=0.2)


CASES = [
    Case("category_encoding", layers.CategoryEncoding, {"num_tokens": 4}, integers(4, 3)),
    Case("category_encoding_one_hot", layers.CategoryEncoding, {"num_tokens": 5, "output_mode": "one_hot"},
         integers(4, 1)),
    Case("category_encoding_count", layers.CategoryEncoding, {"num_tokens": 5, "output_mode": "count"}, integers(4, 6)),
    Case("discretization", layers.Discretization, {"bin_boundaries": [-0.5, 0.0, 1.25]}, integers(4, 3) - 2),
    Case("discretization_count", layers.Discretization, {"bin_boundaries": [-1.0, 0.0], "output_mode": "count"},
         integers(4, 3) - 2),
    Case("hashing", layers.Hashing, {"num_bins": 5, "output_mode": "multi_hot"}, IDS, alone=TENSORFLOW),
    Case("hashing_salt", layers.Hashing, {"num_bins": 5, "salt": (3, 4), "mask_value": 7, "output_mode": "one_hot"},
         IDS[:, 0], alone=TENSORFLOW),
    Case("hashed_crossing", layers.HashedCrossing, {"num_bins": 7, "output_mode": "one_hot"}, [IDS[:, 0], IDS[:, 1]],
         alone=TENSORFLOW),
    Case("integer_lookup", layers.IntegerLookup, KNOWN, IDS, alone=TENSORFLOW),
    Case("integer_lookup_invert", layers.IntegerLookup, {**KNOWN, "invert": True}, integers(4, 3), alone=TENSORFLOW),
    Case("integer_lookup_tf_idf", layers.IntegerLookup,
         {**KNOWN, "output_mode": "tf_idf", "idf_weights": (np.arange(24) / 8).tolist(), "num_oov_indices": 3,
          "oov_method": "farmhash", "mask_token": -6}, IDS, alone=TENSORFLOW),
    spectrogram("log"),
    spectrogram("stft", mode="stft", expand_dims=True, padding="same", data_format="channels_first"),
    Case("mel_spectrogram", layers.MelSpectrogram, MEL, floats(3, 40), half=0.2),
]  # fmt: skip

MORE_CASES = [
    *(Case(f"category_encoding_{mode}_{len(shape)}_{shape[-1]}", layers.CategoryEncoding,
           {"num_tokens": 5, "output_mode": mode}, integers(*shape))
      for mode in ("one_hot", "multi_hot", "count") for shape in ((4,), (4, 1), (4, 3))),
    Case("category_encoding_one_hot_rank_3", layers.CategoryEncoding, {"num_tokens": 3, "output_mode": "one_hot"},
         integers(2, 3, 2)),
    *(Case(f"discretization_{mode}_{len(shape)}_{shape[-1]}", layers.Discretization,
           {"bin_boundaries": [-1.0, 0.5], "output_mode": mode}, floats(*shape))
      for mode in ("int", "one_hot", "multi_hot", "count") for shape in ((4,), (4, 1), (4, 3))),
    *(spectrogram(mode, mode=mode) for mode in ("magnitude", "psd", "real", "imag", "angle")),
    spectrogram("stft_flat", mode="stft", padding="same"),
    spectrogram("expanded", expand_dims=True, fft_length=16, window="hamming", periodic=True, scaling="spectrum"),
    spectrogram("first", mode="psd", data_format="channels_first", scaling=None),
    Case("stft_spectrogram_halves", layers.STFTSpectrogram,
         {"mode": "magnitude", "frame_length": 7, "window": None, "scaling": None}, SIGNALS),
    Case("mel_spectrogram_one", layers.MelSpectrogram, MEL, floats(30)),
    Case("mel_spectrogram_magnitudes", layers.MelSpectrogram,
         {**MEL, "power_to_db": False, "mag_exp": 1.0, "window": "hamming", "sequence_length": 12, "min_freq": 50.0,
          "max_freq": 300.0}, floats(3, 40)),
    Case("mel_spectrogram_decibels", layers.MelSpectrogram,
         {**MEL, "top_db": 6.0, "ref_power": 3.0, "min_power": 0.5, "window": None}, floats(3, 40)),
]  # fmt: skip
