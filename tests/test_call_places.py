"""Where calls stand: of code of every shape file, line and function are those that `logging` finds for a call beside it."""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import printk_ring as pr

# Each says `log(number)` once, or more often, in one line, whatever it does around it.
SHAPES = {
    "a class body": "class Body:\n  for n in range(3):\n    log(n)",
    "a class in a class": "class Outer:\n\n  class Inner:\n    log(1); log(1)",
    "a generator": "def made():\n  yield 1\n  log(1)\n  yield 2\n  log(2)\nfor each in made(): pass",
    "a generator that others go on with": (
        "def made():\n  while True:\n    log((yield))\n"
        "one = made()\nnext(one)\ndef deeper(n):\n  one.send(n) if n == 0 else deeper(n - 1)\n"
        "deeper(0)\ndeeper(5)\none.close()"
    ),
    "a generator that delegates": (
        "def inner():\n  log(1)\n  yield\n  log(2)\ndef outer():\n  yield from inner()\n  log(3)\nlist(outer())"
    ),
    "a generator's end": "def made():\n  try:\n    yield\n  finally:\n    log(1)\nfor _ in made(): break",
    "a generator expression": "list(log(n) for n in range(3))",
    "a comprehension": "[log(n) for n in range(3)]\n{log(n) for n in range(2)}\n{n: log(n) for n in range(2)}",
    "a lambda": "(lambda: log(1))()\nsorted([2, 1], key=lambda n: log(n) or n)",
    "a coroutine": (
        "async def work(n):\n  log(n)\n  await asyncio.sleep(0)\n  log(n)\n"
        "async def all_of_them():\n  await asyncio.gather(*map(work, range(3)))\n  log(9)\nasyncio.run(all_of_them())"
    ),
    "an asynchronous generator": (
        "async def made():\n  log(1)\n  yield 1\n  log(2)\n"
        "async def main():\n  async for _ in made(): log(3)\nasyncio.run(main())"
    ),
    "code in code": "exec(compile('\\n\\nlog(1)\\ndef named(): log(2)\\nnamed()', '<inner>', 'exec'))\neval('log(3)')",
    "a decorator": "def log_it(f):\n  log(1)\n  return f\n@log_it\n@log_it\ndef f(): pass",
    "a default and an annotation": "def f(a=log(1), *, b: log(2) = log(3)): pass",
    "a property and a method": (
        "class A:\n  @property\n  def it(self): return log(1)\n  def __getattr__(self, name): return log(2)\n"
        "  def __del__(self): log(3)\nA().it\nA().other"
    ),
    "a call over several lines": "(\n  log(\n    1\n  ),\n  log(2),\n)",
    "an exception on its way": "try:\n  [].pop()\nexcept IndexError:\n  log(1)\nfinally:\n  log(2)",
    "a with": "class Within:\n  def __enter__(self): log(1)\n  def __exit__(self, *_): log(2)\nwith Within(): log(3)",
    "a sort in native code": "class N:\n  def __lt__(self, other):\n    log(1)\n    return True\nsorted([N(), N()])",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_call_in_code_of_any_shape_is_where_logging_finds_it(log: pr.Log, shape: str) -> None:
    class Places(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            theirs.append((record.pathname, record.lineno, record.funcName, record.args))

    theirs: list[tuple[Any, ...]] = []
    stdlib = logging.Logger("stdlib")
    stdlib.addHandler(Places())
    code = compile(SHAPES[shape], f"/code/{shape}.py", "exec")
    for _ in range(12):
        for logger in (stdlib, log.get_logger("app")):
            exec(
                code, {"asyncio": asyncio, "log": functools.partial(logger.info, "at %d")}
            )  # it has no frame of its own
    found = [(record.file, record.line, record.func, record._args) for record in log.reader()]
    assert found == theirs
    assert len(found) >= 12


def test_keywords_that_another_function_adds_at_a_known_site_are_those_of_the_call(log: pr.Log) -> None:
    logger = log.get_logger()
    given: dict[str, Any] = {f"key{n}": n for n in range(40)}
    functions: list[Callable[..., object]] = [
        logger.info,
        functools.partial(logger.info, b=2),
        functools.partial(logger.info, a=3),
        functools.partial(logger.info, **given),
    ]
    for _ in range(3):
        for function in functions:
            function("event", a=1)
    expected = [{"a": 1}, {"b": 2, "a": 1}, {"a": 1}, given | {"a": 1}] * 3
    assert [record.fields for record in log.reader()] == expected
