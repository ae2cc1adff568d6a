"""FarmHash's Fingerprint64 and SipHash-2-4: of strings on the host, of integers in JAX.

Both hashes are arithmetic on 64-bit words, and one implementation serves both places. On the host, a word is a NumPy
array of uint64, and all strings of one length are hashed at once. In JAX, a word is an array of uint64 as well: 64-bit
integers are off by default, so they are enabled for the computation of the hash, and the results are int32. An integer
is hashed as the string of its decimal digits, as in TensorFlow, so that 12 and "12" have the same hash.

The constants and the order of operations are those of the sources.

Sources: FarmHash 1.1 (https://github.com/google/farmhash); Aumasson and Bernstein, "SipHash: a fast short-input PRF"
(2012); the combination of several hashes is TensorFlow's `FingerprintCat64`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_K0, _K1, _K2 = (np.uint64(k) for k in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
_SIPHASH_START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
_JOINT = 0xC6A4A7935BD1E995
_JOINT_START = 0xDECAFCAFFE
_DIGITS = 10  # of the longest 32-bit integer


def _rotate_right(x: Any, right: int) -> Any:
    return x >> right | x << (64 - right)


def _shift_mix(x: Any) -> Any:
    return x ^ (x >> 47)


def _mix(u: Any, v: Any, multiplier: Any) -> Any:
    a = _shift_mix((u ^ v) * multiplier)
    return _shift_mix((v ^ a) * multiplier) * multiplier


# Fingerprint64 has one formula for each range of the number of bytes.


def _up_to_3(first: Any, middle: Any, last: Any, length: Any) -> Any:
    """Hash 1 to 3 bytes, given as the first, the middle and the last one."""
    y, z = first + (middle << 8), length + (last << 2)
    return _shift_mix(y * _K2 ^ z * _K0) * _K2


def _up_to_7(head: Any, tail: Any, length: Any) -> Any:
    """Hash 4 to 7 bytes, given as the first four and the last four."""
    return _mix(length + (head << 3), tail, _K2 + length + length)


def _up_to_16(head: Any, tail: Any, length: Any) -> Any:
    """Hash 8 to 16 bytes, given as the first eight and the last eight."""
    multiplier = _K2 + length + length
    a = head + _K2
    c = _rotate_right(tail, 37) * multiplier + a
    d = (_rotate_right(a, 25) + tail) * multiplier
    return _mix(c, d, multiplier)


def _up_to_64(at: Callable[[int], Any], length: int) -> Any:
    """Hash 17 to 64 bytes; `at(start)` reads 8 of them as a word, a negative start counts from the end."""
    a, b, c, d = at(0), at(8), at(-8), at(-16) * _K2
    multiplier = np.full_like(a, 2 * length) + _K2
    c = c * multiplier
    if length <= 32:
        a = a * _K1
        return _mix(_rotate_right(a + b, 43) + _rotate_right(c, 30) + d, a + _rotate_right(b + _K2, 18) + c, multiplier)
    a = a * _K2
    y = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    z = _mix(y, a + _rotate_right(b + _K2, 18) + c, multiplier)
    e, f = at(16) * multiplier, at(24)
    g, h = (y + at(-32)) * multiplier, (z + at(-24)) * multiplier
    return _mix(_rotate_right(e + f, 43) + _rotate_right(g, 30) + h, e + _rotate_right(f + a, 18) + g, multiplier)


def _over_64(at: Callable[[int], Any], length: int) -> Any:
    """Hash more than 64 bytes; `at` as in `_up_to_64`."""

    def weak(start: int, a: Any, b: Any) -> tuple[Any, Any]:
        w, x, y, z = (at(start + 8 * i) for i in range(4))
        a = a + w
        b = _rotate_right(b + a + z, 21)
        total = a + x + y
        return total + z, b + _rotate_right(total, 44) + a

    zero = np.zeros_like(at(0))
    x = at(0) + (zero + _K2) * np.uint64(81)
    y = (zero + _K1) * np.uint64(81) + np.uint64(113)
    z = _shift_mix(y * _K2 + np.uint64(113)) * _K2
    v, w = (zero, zero), (zero, zero)

    def block(start: int, multiplier: Any, times: Any) -> None:
        nonlocal x, y, z, v, w
        x = _rotate_right(x + y + v[0] + at(start + 8), 37) * multiplier
        y = _rotate_right(y + v[1] + at(start + 48), 42) * multiplier
        x = x ^ w[1] * times
        y = y + v[0] * times + at(start + 40)
        z = _rotate_right(z + w[0], 33) * multiplier
        v = weak(start, v[1] * multiplier, x + w[0])
        w = weak(start + 32, z + w[1], y + at(start + 16))
        x, z = z, x

    for i in range((length - 1) // 64):
        block(64 * i, _K1, np.uint64(1))
    multiplier = _K1 + ((z & np.uint64(0xFF)) << 1)
    w = (w[0] + np.uint64((length - 1) % 64), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    block(length - 64, multiplier, np.uint64(9))
    return _mix(_mix(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z, _mix(v[1], w[1], multiplier) + x, multiplier)


def _sip_rounds(state: Sequence[Any], number: int) -> list[Any]:
    """Return the four words of the state of SipHash after a number of rounds."""
    v0, v1, v2, v3 = state
    for _ in range(number):
        v0, v2 = v0 + v1, v2 + v3
        v1, v3 = _rotate_right(v1, 51) ^ v0, _rotate_right(v3, 48) ^ v2
        v0, v2 = _rotate_right(v0, 32) + v3, v2 + v1
        v1, v3 = _rotate_right(v1, 47) ^ v2, _rotate_right(v3, 43) ^ v0
        v2 = _rotate_right(v2, 32)
    return [v0, v1, v2, v3]


def _siphash(blocks: Sequence[Any], salt: Sequence[int], ends_early: Any = None) -> Any:
    """SipHash-2-4 of words; the highest byte of the last word is the length of the text, modulo 256.

    Args:
        blocks: the words, arrays of uint64.
        salt: the key, two integers.
        ends_early: True for each text of which the first block is the last one, in JAX; None if all blocks are used.
    """
    zero = blocks[0] ^ blocks[0]
    state = [zero + np.uint64(part ^ start) for part, start in zip([*salt, *salt], _SIPHASH_START, strict=True)]
    for number, block in enumerate(blocks):
        v0, v1, v2, v3 = _sip_rounds([*state[:3], state[3] ^ block], 2)
        new = [v0 ^ block, v1, v2, v3]
        if number and ends_early is not None:
            new = [jnp.where(ends_early, before, after) for before, after in zip(state, new, strict=True)]
        state = new
    v0, v1, v2, v3 = _sip_rounds([*state[:2], state[2] ^ np.uint64(0xFF), state[3]], 4)
    return v0 ^ v1 ^ v2 ^ v3


def _join(hashes: Sequence[Any]) -> Any:
    """Combine several hashes to one; their order matters."""
    joint, result = np.uint64(_JOINT), np.uint64(_JOINT_START)
    for own_hash in hashes:
        result = (result ^ joint ^ _shift_mix(own_hash * joint) * joint) * joint
        result = _shift_mix(_shift_mix(result) * joint)
    return result


# On the host: strings.


def hash_texts(texts: np.ndarray, salt: Sequence[int] | None = None) -> np.ndarray:
    """Return the hashes of strings, or of the digits of integers, as uint64 in the same shape.

    Args:
        texts: an array of strings (dtype object) or of integers.
        salt: two integers, the key of SipHash; None for Fingerprint64.
    """
    encoded = [(text if isinstance(text, str) else str(text)).encode() for text in texts.ravel().tolist()]
    lengths = np.fromiter(map(len, encoded), "int64", len(encoded))
    hashes = np.empty(len(encoded), "uint64")
    for length in np.unique(lengths).tolist():
        where = np.flatnonzero(lengths == length)
        data = np.frombuffer(b"".join([encoded[i] for i in where]), "uint8").reshape(len(where), length)
        hashes[where] = _fingerprint(data) if salt is None else _salted_hash(data, salt)
    return hashes.reshape(texts.shape)


def _fingerprint(data: np.ndarray) -> Any:
    """Return the Fingerprint64 of each row of bytes, [texts, length]."""
    count, length = data.shape

    def at(start: int, size: int = 8) -> np.ndarray:
        """Read `size` bytes of each text as a word."""
        start %= length
        return np.ascontiguousarray(data[:, start : start + size]).view(f"<u{size}")[:, 0].astype("uint64")

    size = np.full(count, length, "uint64")
    if length > 64:
        return _over_64(at, length)
    if length > 16:
        return _up_to_64(at, length)
    if length > 7:
        return _up_to_16(at(0), at(-8), size)
    if length > 3:
        return _up_to_7(at(0, 4), at(-4, 4), size)
    if length:
        return _up_to_3(at(0, 1), at(length // 2, 1), at(-1, 1), size)
    return np.full(count, _K2, "uint64")


def _salted_hash(data: np.ndarray, salt: Sequence[int]) -> Any:
    """Return the SipHash-2-4 of each row of bytes, [texts, length]."""
    count, length = data.shape
    padded = np.zeros((count, length // 8 * 8 + 8), "uint8")
    padded[:, :length] = data
    padded[:, -1] = length % 256
    return _siphash(list(padded.view("<u8").T.astype("uint64")), salt)


# On the device: integers of 32 bits, and combinations of hashes.


@functools.partial(jax.jit, static_argnums=(1, 2))
def hash_integers(values: jax.Array, bins: int, salt: tuple[int, ...] | None = None) -> jax.Array:
    """Return the bin of each integer, hashed as its decimal digits, as int32 in the same shape.

    Args:
        values: integers of at most 32 bits.
        bins: the number of bins, below 2 ** 31.
        salt: two integers, the key of SipHash; None for Fingerprint64.
    """
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        wide = values.astype("int64")
        size, sign = jnp.abs(wide).astype("uint32"), jnp.where(wide < 0, np.uint32(ord("-")), np.uint32(0))
        count = 1 + sum((size >= 10**k).astype("int32") for k in range(1, _DIGITS))  # of the digits
        length = (count + (wide < 0)).astype("uint64")
        # The characters of the text, the last one first, with zeros in front of it.
        digits = [*(size // np.uint32(10**k) % 10 + ord("0") for k in range(_DIGITS)), sign]
        text = [jnp.where(k < count, digit, jnp.where(k == count, sign, 0)) for k, digit in enumerate(digits)]
        # The text, right-aligned in 16 bytes: `before` and `last`.
        last = sum(text[k].astype("uint64") << 8 * (7 - k) for k in range(8))
        before = sum(text[k].astype("uint64") << 8 * (15 - k) for k in range(8, _DIGITS + 1))
        # The text, left-aligned in 16 bytes: `head` and `rest`.
        short, shift = length <= 8, 8 * (16 - length)
        head = jnp.where(short, last >> (shift - 64), before >> shift | last << (64 - shift))
        rest = jnp.where(short, 0, last >> shift)
        if salt is None:
            middle = jnp.where(length > 1, head >> 8, head) & 0xFF
            few = _up_to_3(head & 0xFF, middle, text[0], length)
            some = _up_to_7(head & 0xFFFFFFFF, last >> 32, length)
            many = _up_to_16(head, last, length)
            hashes = jnp.where(length < 4, few, jnp.where(length < 8, some, many))
        else:
            end = length << 56
            hashes = _siphash([jnp.where(length < 8, head | end, head), rest | end], salt, length < 8)
        return (hashes % np.uint64(bins)).astype("int32")


def join(hashes: Sequence[Any], bins: int) -> jax.Array:
    """Return the bin of each combination of hashes, as int32 in the same shape.

    Args:
        hashes: arrays of one shape: hashes as uint64 in NumPy arrays, or integers. An integer is its own hash,
            sign-extended to 64 bits.
        bins: the number of bins, below 2 ** 31.
    """
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        return _join_to_bins(hashes, bins)


@functools.partial(jax.jit, static_argnums=1)
def _join_to_bins(hashes: Sequence[jax.Array], bins: int) -> jax.Array:
    words = [own_hash.astype("int64").astype("uint64") for own_hash in hashes]
    return (_join(words) % np.uint64(bins)).astype("int32")
