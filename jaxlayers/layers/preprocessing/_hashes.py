"""FarmHash's Fingerprint64 and SipHash-2-4: of strings on the host, of integers in JAX.

Both hashes are arithmetic on 64-bit words, and one implementation serves both places. On the host, a word is a NumPy
array of uint64, and all strings of one length are hashed at once. In JAX, where 64-bit integers are off by default, a
word is a `Word`, a pair of uint32 arrays. An integer is hashed as the string of its decimal digits, as in TensorFlow,
so that 12 and "12" have the same hash.

The argument `word` of the functions makes a word of an integer. The constants and the order of operations are those of
the sources.

Sources: FarmHash 1.1 (https://github.com/google/farmhash); Aumasson and Bernstein, "SipHash: a fast short-input PRF"
(2012); the combination of several hashes is TensorFlow's `FingerprintCat64`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_JOINT = 0xC6A4A7935BD1E995
_JOINT_START = 0xDECAFCAFFE
_DIGITS = 11  # the length of the longest 32-bit integer as text: a sign and ten digits
_MASK = 2**64 - 1


@dataclasses.dataclass(frozen=True)
class Word:
    """Unsigned 64-bit integers as two uint32 arrays, the high and low halves; arithmetic is modulo 2 ** 64."""

    high: Any
    low: Any

    @staticmethod
    def of(value: Any) -> Word:
        """Make a word of an integer or of a uint32 array."""
        if isinstance(value, int):
            return Word(jnp.uint32(value >> 32 & 0xFFFFFFFF), jnp.uint32(value & 0xFFFFFFFF))
        return Word(jnp.zeros_like(value), value)

    def __add__(self, other: Word) -> Word:
        low = self.low + other.low
        return Word(self.high + other.high + (low < other.low).astype("uint32"), low)

    def __mul__(self, other: Word) -> Word:
        a, b = self.low & 0xFFFF, self.low >> 16
        c, d = other.low & 0xFFFF, other.low >> 16
        middle = (a * c >> 16) + (a * d & 0xFFFF) + (b * c & 0xFFFF)
        carried = b * d + (a * d >> 16) + (b * c >> 16) + (middle >> 16)
        return Word(carried + self.low * other.high + self.high * other.low, self.low * other.low)

    def __xor__(self, other: Word) -> Word:
        return Word(self.high ^ other.high, self.low ^ other.low)

    def __or__(self, other: Word) -> Word:
        return Word(self.high | other.high, self.low | other.low)

    def __lshift__(self, by: int) -> Word:
        if by >= 32:
            return Word(self.low << (by - 32), jnp.zeros_like(self.low))
        return Word(self.high << by | self.low >> (32 - by), self.low << by)

    def __rshift__(self, by: int) -> Word:
        if by >= 32:
            return Word(jnp.zeros_like(self.high), self.high >> (by - 32))
        return Word(self.high >> by, self.low >> by | self.high << (32 - by))

    def __mod__(self, divisor: int) -> Any:
        """Return the remainder as uint32, for a divisor below 2 ** 31.

        This is a long division. Each step brings in as many bits as leave the intermediate value below 2 ** 32.
        """
        step = 32 - divisor.bit_length()
        rest = self.high % divisor
        for start in range(32, 0, -step):
            bits = min(step, start)
            digit = self.low >> (start - bits) & (2**bits - 1)
            rest = (rest << bits | digit) % divisor
        return rest


def _rotate_right(x: Any, right: int) -> Any:
    return x >> right | x << (64 - right)


def _shift_mix(x: Any) -> Any:
    return x ^ (x >> 47)


def _mix(u: Any, v: Any, multiplier: Any) -> Any:
    a = _shift_mix((u ^ v) * multiplier)
    return _shift_mix((v ^ a) * multiplier) * multiplier


# Fingerprint64 has one formula for each range of the number of bytes.


def _up_to_3(first: Any, middle: Any, last: Any, length: Any, word: Callable[[Any], Any]) -> Any:
    """Hash 1 to 3 bytes, given as the first, the middle and the last one."""
    y, z = first + (middle << 8), length + (last << 2)
    return _shift_mix(y * word(_K2) ^ z * word(_K0)) * word(_K2)


def _up_to_7(head: Any, tail: Any, length: Any, word: Callable[[Any], Any]) -> Any:
    """Hash 4 to 7 bytes, given as the first four and the last four."""
    return _mix(length + (head << 3), tail, word(_K2) + length + length)


def _up_to_16(head: Any, tail: Any, length: Any, word: Callable[[Any], Any]) -> Any:
    """Hash 8 to 16 bytes, given as the first eight and the last eight."""
    multiplier = word(_K2) + length + length
    a = head + word(_K2)
    c = _rotate_right(tail, 37) * multiplier + a
    d = (_rotate_right(a, 25) + tail) * multiplier
    return _mix(c, d, multiplier)


def _up_to_64(at: Callable[[int], Any], length: int) -> Any:
    """Hash 17 to 64 bytes; `at(start)` reads 8 of them as a word, a negative start counts from the end."""
    k2, multiplier = np.uint64(_K2), np.uint64(_K2 + 2 * length & _MASK)
    a, b, c, d = at(0), at(8), at(-8) * multiplier, at(-16) * k2
    if length <= 32:
        a = a * np.uint64(_K1)
        return _mix(_rotate_right(a + b, 43) + _rotate_right(c, 30) + d, a + _rotate_right(b + k2, 18) + c, multiplier)
    a = a * k2
    y = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    z = _mix(y, a + _rotate_right(b + k2, 18) + c, multiplier)
    e, f = at(16) * multiplier, at(24)
    g, h = (y + at(-32)) * multiplier, (z + at(-24)) * multiplier
    return _mix(_rotate_right(e + f, 43) + _rotate_right(g, 30) + h, e + _rotate_right(f + a, 18) + g, multiplier)


def _over_64(at: Callable[[int], Any], length: int) -> Any:
    """Hash more than 64 bytes; `at` as in `_up_to_64`."""
    k0, k1, k2 = np.uint64(_K0), np.uint64(_K1), np.uint64(_K2)

    def weak(start: int, a: Any, b: Any) -> tuple[Any, Any]:
        w, x, y, z = (at(start + 8 * i) for i in range(4))
        a = a + w
        b = _rotate_right(b + a + z, 21)
        total = a + x + y
        return total + z, b + _rotate_right(total, 44) + a

    zero = np.zeros_like(at(0))
    x = at(0) + np.uint64(81 * _K2 & _MASK)
    y = zero + np.uint64(81 * _K1 + 113 & _MASK)
    z = _shift_mix(y * k2 + np.uint64(113)) * k2
    v, w = (zero, zero), (zero, zero)
    blocks = (length - 1) // 64
    one, nine = np.uint64(1), np.uint64(9)

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

    for i in range(blocks):
        block(64 * i, k1, one)
    multiplier = k1 + ((z & np.uint64(0xFF)) << 1)
    w = (w[0] + np.uint64((length - 1) % 64), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    block(length - 64, multiplier, nine)
    return _mix(_mix(v[0], w[0], multiplier) + _shift_mix(y) * k0 + z, _mix(v[1], w[1], multiplier) + x, multiplier)


def _siphash(blocks: Sequence[Any], key: tuple[Any, Any], word: Callable[[Any], Any]) -> Any:
    """SipHash-2-4 of words; the highest byte of the last word is the length of the text, modulo 256."""
    v0, v1, v2, v3 = (
        half ^ word(constant)
        for half, constant in zip(
            key * 2, (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573), strict=True
        )
    )

    def rounds(number: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(number):
            v0, v2 = v0 + v1, v2 + v3
            v1, v3 = _rotate_right(v1, 51) ^ v0, _rotate_right(v3, 48) ^ v2
            v0, v2 = _rotate_right(v0, 32) + v3, v2 + v1
            v1, v3 = _rotate_right(v1, 47) ^ v2, _rotate_right(v3, 43) ^ v0
            v2 = _rotate_right(v2, 32)

    for block in blocks:
        v3 = v3 ^ block
        rounds(2)
        v0 = v0 ^ block
    v2 = v2 ^ word(0xFF)
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3


def _join(hashes: Sequence[Any], word: Callable[[Any], Any]) -> Any:
    """Combine several hashes to one; their order matters."""
    joint = word(_JOINT)
    result = word(_JOINT_START)
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
        return _up_to_16(at(0), at(-8), size, np.uint64)
    if length > 3:
        return _up_to_7(at(0, 4), at(-4, 4), size, np.uint64)
    if length:
        return _up_to_3(at(0, 1), at(length // 2, 1), at(-1, 1), size, np.uint64)
    return np.full(count, _K2, "uint64")


def _salted_hash(data: np.ndarray, salt: Sequence[int]) -> Any:
    """Return the SipHash-2-4 of each row of bytes, [texts, length]."""
    count, length = data.shape
    padded = np.zeros((count, length // 8 * 8 + 8), "uint8")
    padded[:, :length] = data
    padded[:, -1] = length % 256
    key = tuple(np.full(count, part, "uint64") for part in salt)
    return _siphash(list(padded.view("<u8").T.astype("uint64")), key, np.uint64)  # type: ignore[arg-type]


def join_hashes(hashes: Sequence[np.ndarray], bins: int) -> np.ndarray:
    """Return the bin of each combination of hashes, as int64 in the same shape.

    Args:
        hashes: arrays of uint64 of one shape.
        bins: the number of bins.
    """
    flat = [own_hash.reshape(-1) for own_hash in hashes]  # NumPy warns of overflow in scalars, not in arrays
    joined = _join(flat, lambda value: np.full(flat[0].shape, value, "uint64"))
    return (joined % np.uint64(bins)).astype("int64").reshape(hashes[0].shape)


# On the device: integers of 32 bits.


@functools.partial(jax.jit, static_argnums=(1, 2))
def hash_integers(values: jax.Array, bins: int, salt: tuple[int, int] | None = None) -> jax.Array:
    """Return the bin of each integer, hashed as its decimal digits, as int32 in the same shape.

    Args:
        values: integers of at most 32 bits.
        bins: the number of bins, below 2 ** 31.
        salt: two integers, the key of SipHash; None for Fingerprint64.
    """
    values = values if values.dtype == "uint32" else values.astype("int32")
    negative = values < 0
    size = jnp.where(negative, -values, values).astype("uint32")
    length = 1 + sum((size >= 10**k).astype("uint32") for k in range(1, _DIGITS - 1)) + negative.astype("uint32")
    digits = [jnp.zeros_like(size), *(size // 10**k % 10 + ord("0") for k in range(_DIGITS - 2, -1, -1))]
    digits = [jnp.where(negative & (length == _DIGITS - i), ord("-"), digit) for i, digit in enumerate(digits)]

    def four_bytes(end: int) -> Any:
        """Return the characters `end - 4` to `end - 1` of the right-aligned text as uint32, the first one lowest."""
        return sum(digits[i] << 8 * (i - end + 4) for i in range(max(0, end - 4), min(end, _DIGITS)))

    # Left-align the text: shift its bytes by the number of unused ones in front, first by whole uint32, then by bytes.
    # Zeros follow the text.
    unused, zeros = _DIGITS - length, jnp.zeros_like(size)
    line = [four_bytes(4), four_bytes(8), four_bytes(12), zeros, zeros, zeros]
    for shift in (1, 2):
        line = [
            jnp.where(unused // 4 & shift > 0, later, current)
            for current, later in zip(line, line[shift:], strict=False)
        ]
    for shift in (1, 2):
        line = [
            jnp.where(unused & shift > 0, current >> 8 * shift | later << (32 - 8 * shift), current)
            for current, later in zip(line, [*line[1:], zeros], strict=True)
        ]
    count, head = Word.of(length), Word(line[1], line[0])
    if salt is None:
        few = _up_to_3(
            Word.of(line[0] & 0xFF), Word.of(line[0] >> jnp.where(length > 1, 8, 0) & 0xFF), Word.of(digits[-1]), count,
            Word.of,
        )  # fmt: skip
        some = _up_to_7(Word.of(line[0]), Word.of(four_bytes(_DIGITS)), count, Word.of)
        many = _up_to_16(head, Word(four_bytes(_DIGITS), four_bytes(_DIGITS - 4)), count, Word.of)
        hashes = _where(length < 4, few, _where(length < 8, some, many))
    else:
        key, end = (Word.of(salt[0]), Word.of(salt[1])), count << 56
        one_block, two_blocks = [head | end], [head, Word.of(line[2]) | end]
        hashes = _where(length < 8, _siphash(one_block, key, Word.of), _siphash(two_blocks, key, Word.of))
    return (hashes % bins).astype("int32")


@functools.partial(jax.jit, static_argnums=1)
def join_integers(values: Sequence[jax.Array], bins: int) -> jax.Array:
    """Return the bin of each combination of integers, as int32 in the same shape.

    The integers are not hashed one by one: each is its own hash, sign-extended to 64 bits.

    Args:
        values: arrays of one shape, of integers of at most 32 bits.
        bins: the number of bins, below 2 ** 31.
    """
    wide = [array if array.dtype == "uint32" else array.astype("int32") for array in values]
    words = [Word(jnp.where(array < 0, np.uint32(0xFFFFFFFF), np.uint32(0)), array.astype("uint32")) for array in wide]
    return (_join(words, Word.of) % bins).astype("int32")


def _where(condition: jax.Array, if_true: Word, if_false: Word) -> Word:
    return Word(jnp.where(condition, if_true.high, if_false.high), jnp.where(condition, if_true.low, if_false.low))
