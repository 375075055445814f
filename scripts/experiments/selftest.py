"""Checks the statistics of the report against known values."""

from __future__ import annotations

import math

import numpy as np

from cells import NAMES, tasks
from rules import (
    Values,
    beta_cdf,
    criterion,
    hyperfine,
    in_parts,
    log_e,
    spread,
    tango,
    upper_bound,
    welch_p,
)


def main() -> None:
    checks = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
    for check in checks:
        check()
    print(f"{len(checks)} checks passed")


def close(got: float, want: float, tolerance: float = 1e-9) -> None:
    assert abs(got - want) <= tolerance, f"{got} is not {want}"


def check_beta() -> None:
    close(beta_cdf(0.3, 1, 1), 0.3)
    close(beta_cdf(0.5, 7, 7), 0.5)
    close(beta_cdf(0.25, 2, 1), 0.0625)
    close(beta_cdf(0.9, 1, 3), 1 - 0.1**3)
    # A binomial tail: P(X >= 3) of 10 at 0.2.
    close(
        beta_cdf(0.2, 3, 8), sum(math.comb(10, k) * 0.2**k * 0.8 ** (10 - k) for k in range(3, 11))
    )


def check_upper_bound() -> None:
    close(upper_bound(0, 416), 1 - 0.05 ** (1 / 416))
    close(upper_bound(5, 5), 1.0)
    bound = upper_bound(2, 50)
    close(sum(math.comb(50, k) * bound**k * (1 - bound) ** (50 - k) for k in range(3)), 0.05)


def check_student() -> None:
    """Checks Student's t-distribution against tables.

    With 10 degrees of freedom, t = 2.228 leaves 5 %. With one degree, t = 1 leaves one half.
    """
    close(beta_cdf(10 / (10 + 2.228139**2), 5, 0.5), 0.05, 1e-7)
    close(beta_cdf(0.5, 0.5, 0.5), 0.5)


def check_welch() -> None:
    """Checks equal sizes and variances: for t = 1 with 8 degrees of freedom, tables give 0.3466."""
    a = np.array([1.0, 2, 3, 4, 5])
    close(welch_p(a, a + 1), 0.34659, 1e-5)
    close(welch_p(a, a), 1.0)
    close(welch_p(a, a + 1), welch_p(a + 1, a))


def check_e_process() -> None:
    close(log_e(np.full(13, 0.02))[-1], _equal_differences(13))
    assert log_e(np.full(14, 0.02))[-1] >= math.log(100) > log_e(np.full(13, 0.02))[-1]
    waves = np.sin(np.arange(40) * 2.4)
    assert np.allclose(log_e(waves), log_e(-waves))
    close(log_e(np.zeros(3))[-1], 0.0)


def _equal_differences(pairs: int) -> float:
    """Returns ln E for equal differences, where every bet is two thirds of its stake."""
    stakes = (0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
    return math.log(sum((1 + s * 2 / 3) ** pairs + (1 - s * 2 / 3) ** pairs for s in stakes) / 12)


def check_e_process_is_fair() -> None:
    """Checks that random signs reach 100 in at most 1 % of all series.

    There are 1000 series, so that 22 would be far beyond chance.
    """
    random = np.random.default_rng(1)
    reached = sum(log_e(_heavy_tails(random)).max() >= math.log(100) for _ in range(1000))
    assert reached <= 22, reached


def _heavy_tails(random: np.random.Generator) -> Values:
    return np.asarray(random.standard_t(2, 64), dtype=np.float64)


def check_spread() -> None:
    close(spread(np.array([1.0, 2, 3, 4, 100])), 1.4826)
    assert in_parts(np.arange(20.0), 10).tolist() == [0.5 + 2 * i for i in range(10)]
    assert in_parts(np.arange(3.0), 10).tolist() == [0, 1, 2]


def check_rules() -> None:
    """Checks that all rules find a clear change with its sign, and none in identical values.

    Also checks that the noise threshold works.
    """
    random = np.random.default_rng(2)
    a, b = 100 + random.normal(size=100), 100 + random.normal(size=100)
    for rule in (hyperfine, tango, lambda a, b: criterion(a, b, random)):
        assert rule(a, b + 5) == 1 and rule(a + 5, b) == -1
    assert tango(a, a) == hyperfine(a, a) == criterion(a, a, random, noise=0) == 0
    assert criterion(a, b + 0.7, random, noise=0) == 1 and criterion(a, b + 0.7, random) == 0


def check_rules_at_their_levels() -> None:
    """Checks that the rules have the requested levels on independent normal values."""
    random = np.random.default_rng(3)
    draws = [(100 + random.normal(size=100), 100 + random.normal(size=100)) for _ in range(400)]
    for rule, level in ((hyperfine, 0.05), (lambda a, b: criterion(a, b, random, 0, 500), 0.05)):
        share = sum(rule(a, b) != 0 for a, b in draws) / len(draws)
        assert abs(share - level) <= 0.035, share


def check_tasks() -> None:
    for name in NAMES:
        every = list(tasks(name, None, 4))
        assert len({task.key for task in every}) == len(every)
        works = [(task.truth, task.sets.get("work", (1, 1))) for task in every]
        assert all((truth > 0) == (b > a) for truth, (a, b) in works)
    assert len(list(tasks("aa", None, 4))) == 416
    slower = sum(task.truth > 0 for task in tasks("power", None, 4) if task.cell == "matmul-1")
    assert 70 <= slower <= 130, slower


if __name__ == "__main__":
    main()
