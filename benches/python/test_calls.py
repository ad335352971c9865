"""The calls of a user under pytest-benchmark, for work on one of them: `pytest benches/python`.

The figures of the project come from `benches/run.py`, which measures each call beside its yardstick.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from benches.calls import CALLS, EXPRESSIONS, PUBLIC, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A log with a live console, and one that stores nothing."""
    with ExitStack() as stack:
        yield Bench(tmp_path, stack, calls=1000)


@pytest.mark.parametrize("name", [name for name in CALLS if not name.endswith(PUBLIC)])
def test_a_call(benchmark: BenchmarkFixture, bench: Bench, name: str) -> None:
    """A thousand calls an iteration, so that the fixture's own loop does not count."""
    benchmark.group = CALLS[name][0]
    expression, method, _ = CALLS[name]
    benchmark(bench.timer(expression, method).timeit, 1000)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_function_that_does_nothing(benchmark: BenchmarkFixture, bench: Bench, expression: str) -> None:
    """The yardstick, in the same group as the calls of its expression."""
    benchmark.group = expression
    benchmark(bench.timer(expression, "native._noop").timeit, 1000)
