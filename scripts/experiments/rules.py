"""Computes the rules of orch (the e-process), criterion, hyperfine's scripts and tango."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

STAKES = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 0.95])
MAD_TO_SIGMA = 1.4826


def log_e(differences: Values) -> Values:
    """Returns ln E against "no shift" after every pair.

    orch computes it in the same way (docs/METHODOLOGY.md, "Evidence").
    """
    more, less = np.zeros(len(STAKES)), np.zeros(len(STAKES))
    path = []
    for seen in range(1, len(differences) + 1):
        last, scale = differences[seen - 1], np.median(np.abs(differences[:seen]))
        size = np.sign(last) if scale == 0 else np.clip(last / (1.5 * scale), -1, 1)
        more += np.log1p(STAKES * size)
        less += np.log1p(-STAKES * size)
        path.append(np.logaddexp.reduce(np.concatenate([more, less])) - math.log(2 * len(STAKES)))
    return np.array(path)


def spread(values: Values) -> float:
    """Returns the median absolute deviation, scaled to the standard deviation of normal values."""
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


def beta_cdf(x: float, a: float, b: float) -> float:
    """Returns the regularised incomplete beta function, by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    tiny = 1e-300
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    value, above, below = 1.0, 1.0, 0.0
    for step in range(1000):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        below = 1 / ((1 + term * below) or tiny)
        above = (1 + term / above) or tiny
        value *= above * below
        if step > 0 and abs(above * below - 1) < 1e-14:
            break
    return front * (value - 1) / a


def upper_bound(count: int, total: int, confidence: float = 0.95) -> float:
    """Returns the one-sided upper bound of a share (Clopper and Pearson)."""
    if count >= total:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if beta_cdf(middle, count + 1, total - count) < confidence
            else (low, middle)
        )
    return high


def welch_p(a: Values, b: Values) -> float:
    """Returns the two-sided p-value of Welch's t-test."""
    parts = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    variance = float(sum(parts))
    difference = float(np.mean(b) - np.mean(a))
    if variance == 0:
        return float(difference == 0)
    freedom = variance**2 / float(parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    return beta_cdf(freedom / (freedom + difference**2 / variance), freedom / 2, 0.5)


def in_parts(values: Values, parts: int) -> Values:
    """Returns the means of this many consecutive parts, or the values if there are no more."""
    return (
        values
        if len(values) <= parts
        else np.array([np.mean(part) for part in np.array_split(values, parts)])
    )


def hyperfine(a: Values, b: Values) -> int:
    """Returns the sign of the change by `scripts/welch_ttest.py`, p < 0.05, or 0 for none.

    hyperfine makes at least ten runs by default.
    """
    a, b = in_parts(a, 10), in_parts(b, 10)
    return _sign(a, b) if welch_p(a, b) < 0.05 else 0


def criterion(
    a: Values, b: Values, random: np.random.Generator, noise: float = 0.01, resamples: int = 2000
) -> int:
    """Returns the sign of the change by criterion's rule, or 0 for none.

    The t-statistic must have p < 0.05 in a bootstrap from both samples together, and the 95 %
    bootstrap interval of the relative change of the mean must lie wholly beyond the noise
    threshold. criterion uses 100 values per side and 100 000 resamples by default. This function
    uses fewer resamples, which moves a p-value near 0.05 by about 0.005.
    """
    a, b = in_parts(a, 100), in_parts(b, 100)
    both = np.concatenate([a, b])
    of_both = _t(random.choice(both, (resamples, len(a))), random.choice(both, (resamples, len(b))))
    above = int(np.sum(of_both > _t(a[None], b[None])[0]))
    if 2 * min(above, resamples - above) / resamples >= 0.05:
        return 0
    means_a = random.choice(a, (resamples, len(a))).mean(axis=1)
    means_b = random.choice(b, (resamples, len(b))).mean(axis=1)
    low, high = np.quantile(means_b / means_a - 1, [0.025, 0.975])
    return 1 if low > noise else -1 if high < -noise else 0


def tango(a: Values, b: Values) -> int:
    """Returns the sign of the change by tango's rule on paired samples, or 0 for none.

    The rule requires |z| >= 2.6 and a change of more than 0.5 % of the baseline.
    """
    difference = b - a
    mean, error = (
        float(np.mean(difference)),
        float(np.std(difference, ddof=1)) / math.sqrt(len(difference)),
    )
    # The step of tango's timer, a nanosecond, is far below 0.5 % here.
    beyond = abs(mean) >= 2.6 * error and abs(mean / float(np.mean(a))) > 0.005
    return int(np.sign(mean)) if beyond else 0


def _t(a: Values, b: Values) -> Values:
    """Returns Welch's t-statistic of each row."""
    error = a.var(axis=1, ddof=1) / a.shape[1] + b.var(axis=1, ddof=1) / b.shape[1]
    t: Values = (b.mean(axis=1) - a.mean(axis=1)) / np.sqrt(np.maximum(error, 1e-300))
    return t


def _sign(a: Values, b: Values) -> int:
    return int(np.sign(np.mean(b) - np.mean(a)))
