"""What states tell, by plain statistics: principal components, correlations, linear readouts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_lib.errors import ArgumentError


@dataclass
class Components:
    """Principal components of states: `scores = (states - mean) @ directions.T`."""

    mean: np.ndarray  # (n,)
    directions: np.ndarray  # (n, n): one component a row, of length 1, largest variance first
    variance: np.ndarray  # (n,)
    scores: np.ndarray  # (T, n)

    @property
    def share(self) -> np.ndarray:
        """(n,) each component's share of the variance; 0 where nothing varies."""
        return self.variance / max(self.variance.sum(), 1e-300)

    def project(self, states: np.ndarray) -> np.ndarray:
        """states (..., n) -> scores (..., n)."""
        return (np.asarray(states) - self.mean) @ self.directions.T


def pca(states: np.ndarray) -> Components:
    """states (T, n), T at least 2 -> components, from the eigenvectors of the covariance matrix (Pearson 1901)."""
    states = np.asarray(states, dtype=float)
    if states.ndim != 2 or len(states) < 2 or not np.isfinite(states).all():
        raise ArgumentError(f"states has shape {states.shape}; it must be (T, neurons), finite, with at least 2 rows")
    mean = states.mean(0)
    variance, vectors = np.linalg.eigh(np.cov(states.T, ddof=1).reshape(states.shape[1], -1))
    variance, vectors = np.clip(variance[::-1], 0, None), vectors[:, ::-1].T
    # A component's sign is free; the largest entry is made positive, so that a picture does not flip from run to run.
    largest = np.take_along_axis(vectors, abs(vectors).argmax(1)[:, None], 1)
    directions = vectors * np.sign(largest)
    return Components(mean, directions, variance, (states - mean) @ directions.T)


def correlations(states: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """Pearson correlation of states (T, n) with signals (T, m) -> (n, m); 0 where one of the two is constant."""
    states, signals = np.asarray(states, float), np.asarray(signals, float)
    if states.ndim != 2 or signals.ndim != 2 or len(states) != len(signals) or len(states) < 2:
        raise ArgumentError(
            f"states {states.shape} and signals {signals.shape} do not fit; both must have the same T rows, at least 2"
        )
    a, b = states - states.mean(0), signals - signals.mean(0)
    sizes = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
    # A constant column leaves rounding dust behind, whose correlation means nothing.
    flat = np.outer(np.ptp(states, axis=0) > 1e-9, np.ptp(signals, axis=0) > 1e-9)
    return np.where(flat, a.T @ b / np.maximum(sizes, 1e-300), 0.0)


def decode(states: np.ndarray, signal: np.ndarray, train: float = 0.5) -> tuple[float, np.ndarray]:
    """How well a linear readout of states (T, n) tells `signal` (T,): R² on the later part, prediction (T,).

    The readout is fitted by least squares on the first `train` share of the steps.
    """
    states, signal = np.asarray(states, float), np.asarray(signal, float)
    if states.ndim != 2 or signal.shape != states.shape[:1] or not 0 < train < 1:
        raise ArgumentError(
            f"signal has shape {signal.shape}, train={train!r}; needed: ({len(states)},) and a share between 0 and 1"
        )
    design = np.column_stack([states, np.ones(len(states))])
    cut = max(2, int(train * len(states)))
    weights = np.linalg.lstsq(design[:cut], signal[:cut], rcond=None)[0]
    guess, rest = design @ weights, signal[cut:]
    return float(1 - np.square(rest - guess[cut:]).sum() / max(np.square(rest - rest.mean()).sum(), 1e-300)), guess
