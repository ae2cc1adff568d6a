"""Sounds as arrays `[samples, channels]`: read from `.wav` files, resampled, and brought to a length."""

from __future__ import annotations

import numpy as np


def read_wav(path: str) -> tuple[np.ndarray, int]:
    """Return the samples `[samples, channels]` of a file as float32 from -1 to 1, and its sampling rate in hertz."""
    import wave  # imported here: rarely needed

    try:
        with wave.open(path, "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = np.frombuffer(file.readframes(file.getnframes()), "uint8")
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is not an uncompressed .wav file: {error}.") from None
    if width == 1:  # samples of one byte are unsigned, wider ones are signed
        values = raw.astype("float32") - 128
    else:  # put the bytes of a sample into the highest bytes of 32 bits, so that the shift extends the sign
        wide = np.zeros((len(raw) // width, 4), "uint8")
        wide[:, 4 - width :] = raw.reshape(-1, width)
        values = (wide.view("<i4")[:, 0] >> (8 * (4 - width))).astype("float32")
    return values.reshape(-1, channels) / np.float32(2 ** (8 * width - 1)), rate


def resample(sound: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Resample a sound from one sampling rate to another, by linear interpolation."""
    times = np.arange(round(len(sound) * new_rate / rate)) * (rate / new_rate)
    channels = [np.interp(times, np.arange(len(sound)), channel) for channel in sound.T]
    return np.stack(channels, 1).astype("float32")


def truncate_or_pad(sound: np.ndarray, length: int) -> np.ndarray:
    """Return the first `length` samples of a sound, padded with zeros if it is shorter."""
    return np.pad(sound[:length], [(0, max(0, length - len(sound))), (0, 0)])
