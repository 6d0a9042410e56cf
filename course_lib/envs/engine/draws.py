"""Random numbers that are a function of (seed, step): whoever asks again gets the same, and nothing has to be stored.

The generator is SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"), whose n-th
output is a hash of seed + n·γ and can be had without the ones before. Output t of the generator of a copy seeds the
generator of its step t.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
GAMMA = np.uint64(0x9E3779B97F4A7C15)  # γ: 2⁶⁴ over the golden ratio


def _hash(x: Array) -> Array:
    """SplitMix64's mixing function on uint64 of any shape, which it overwrites."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _outputs(seed: Array, n: Array) -> Array:
    """Output n of the generator of `seed`: 64 random bits; both uint64, shapes that go together."""
    return _hash(seed + (n + np.uint64(1)) * GAMMA)


def uniforms(seed: Array, step: Array, count: int) -> Array:
    """`count` numbers in [0, 1) for each copy: seed (N,) and step (N,) integers -> (N, count)."""
    own = _outputs(seed.astype(np.uint64), step.astype(np.uint64))
    bits = _outputs(own[:, None], np.arange(count, dtype=np.uint64))
    return (bits >> np.uint64(11)) * 2.0**-53


def normals(seed: Array, step: Array, count: int) -> Array:
    """`count` numbers from the standard normal distribution for each copy -> (N, count), by Box & Muller's formula."""
    half = (count + 1) // 2
    u = uniforms(seed, step, 2 * half)
    radius, angle = np.sqrt(-2.0 * np.log1p(-u[:, :half])), 2.0 * np.pi * u[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :count]
