"""`Logger.catch`: exceptions of a block, or of a function, as records."""

import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import CodeType, FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

if TYPE_CHECKING:
    from printk_ring._native import Logger

__all__ = ["Catch"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_Y = TypeVar("_Y")
_S = TypeVar("_S")
# What `__exit__` returns: False, and what an exception leaves behind is never reached, or a bool.
_EndsHere_co = TypeVar("_EndsHere_co", bound=bool, covariant=True)
# What ends a program or a generator is not an error of the code that it passes through.
_NO_ERRORS = (KeyboardInterrupt, SystemExit, GeneratorExit)


class Catch(Generic[_EndsHere_co]):
    """A context manager and a decorator: an exception that comes out is logged at ERROR, with its traceback.

    Made by `Logger.catch`. As a decorator of a function, a coroutine function, a generator function or an asynchronous
    generator function: it stays one, and the exceptions are those of its body; the record's field `function` is its
    qualified name. It can be used any number of times, also within itself and by several threads.

    The place of the record is where the block stands, or of whoever called the function or goes through the generator. A
    coroutine and an asynchronous generator, which an event loop calls, have their function's own: where it is defined.

    `KeyboardInterrupt`, `SystemExit`, `GeneratorExit` and a task's cancellation are not logged, and never kept back. With
    `reraise=False` an `Exception` ends here: the code behind the block goes on, and the function returns None (a generator
    is at its end). Other exceptions go on all the same.

    Its type says what `__exit__` returns: `Catch[Literal[False]]` ends nothing here. To a type checker what a function under
    any other one returns may be None, and a generator function stays one if its annotation says Generator.
    """

    def __init__(self, logger: "Logger", reraise: bool = True) -> None:
        """Remembers what to do."""
        self._logger = logger
        self._reraise = reraise
        self._fields: dict[str, Any] = {}  # no options of the log call among them
        self._tell_from_place: Callable[..., None] | None = None

    def __enter__(self) -> None:
        """Nothing happens here."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> _EndsHere_co:
        """Logs the exception, if there is one; True if it ends here."""
        return cast("_EndsHere_co", self._ends(exc_value))

    def _ends(self, exc_value: BaseException | None) -> bool:
        if exc_value is None or isinstance(exc_value, _no_errors()):
            return False
        if self._tell_from_place is not None:
            self._tell_from_place(self._logger, exc_info=exc_value, **self._fields)
        else:
            _tell(self._logger, exc_info=exc_value, stacklevel=_level(), **self._fields)
        return not self._reraise and isinstance(exc_value, Exception)

    # The first one is for a narrower `self`, which mypy holds against it.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: "Catch[Literal[False]]", function: Callable[_P, _R], /
    ) -> Callable[_P, _R]: ...
    @overload
    def __call__(
        self, function: Callable[_P, Coroutine[_Y, _S, _R]], /
    ) -> Callable[_P, Coroutine[_Y, _S, _R | None]]: ...
    @overload
    def __call__(
        self, function: Callable[_P, Generator[_Y, _S, _R]], /
    ) -> Callable[_P, Generator[_Y, _S, _R | None]]: ...
    @overload
    def __call__(self, function: Callable[_P, AsyncGenerator[_Y, _S]], /) -> Callable[_P, AsyncGenerator[_Y, _S]]: ...
    @overload
    def __call__(self, function: Callable[_P, _R], /) -> Callable[_P, _R | None]: ...
    def __call__(self, function: Callable[..., Any], /) -> Callable[..., Any]:
        """The function, with its exceptions logged."""
        given: object = function
        if not callable(given) or isinstance(given, staticmethod):
            kind = type(given).__name__
            raise TypeError(
                f"catch() is for functions, not for {kind}: put it below @staticmethod, @classmethod and @property"
            )
        block: Catch[bool] = Catch(self._logger, self._reraise)
        block._fields = {"function": getattr(function, "__qualname__", None) or repr(function)}
        wrap = next((wrap for is_one, wrap in _KINDS if is_one(function)), _plain)
        if wrap in _DRIVEN:
            block._tell_from_place = _telling_from(function)
        return functools.wraps(function)(wrap(block, function))

    def __repr__(self) -> str:
        """Whose it is."""
        return f"<Catch of {self._logger!r}, reraise={self._reraise}>"


# All of it in one line, which is then the line of whatever place it is put at.
_tell: Callable[..., None] = lambda logger, **how: logger.error("exception caught", **how)  # noqa: E731


def _telling_from(function: Callable[..., Any]) -> Callable[..., None] | None:
    """`_tell` with a call site where `function` is defined; None: nobody knows where that is."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not isinstance(code, CodeType):
        return None
    told = _telling_code(code.co_filename, code.co_firstlineno, code.co_name, code.co_qualname)
    # Of the function's module: `once` and `ratelimited` pass over the frames of this one.
    module = {"__name__": getattr(function, "__module__", None), "__builtins__": __builtins__}
    return FunctionType(told, module)


@functools.lru_cache(maxsize=1024)
def _telling_code(file: str, line: int, name: str, qualname: str) -> CodeType:
    """The code of `_tell` at a place: one call site, however often a function there is decorated."""
    return _tell.__code__.replace(co_filename=file, co_firstlineno=line, co_name=name, co_qualname=qualname)


def _level() -> int:
    """The `stacklevel` of where the block stands, for `_tell`; of a decorated function, of who called it."""
    level = 3
    frame = sys._getframe(2)  # noqa: SLF001 - the documented way to a frame
    while frame.f_globals is globals() and frame.f_back is not None:
        frame = frame.f_back
        level += 1
    return level


def _no_errors() -> tuple[type[BaseException], ...]:
    asyncio = sys.modules.get("asyncio")
    return _NO_ERRORS if asyncio is None else (*_NO_ERRORS, asyncio.CancelledError)


def _plain(block: Catch[bool], function: Callable[..., Any]) -> Callable[..., Any]:
    def caught(*args: Any, **kwargs: Any) -> Any:
        with block:
            return function(*args, **kwargs)
        return None

    return caught


def _coroutine(block: Catch[bool], function: Callable[..., Any]) -> Callable[..., Any]:
    async def caught(*args: Any, **kwargs: Any) -> Any:
        with block:
            return await function(*args, **kwargs)
        return None

    return caught


def _generator(block: Catch[bool], function: Callable[..., Any]) -> Callable[..., Any]:
    def caught(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with block:
            return (yield from function(*args, **kwargs))
        return None

    return caught


def _asynchronous_generator(block: Catch[bool], function: Callable[..., Any]) -> Callable[..., Any]:
    async def caught(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        with block:
            inner = function(*args, **kwargs)
            step = inner.asend(None)
            while True:
                try:
                    item = await step
                except StopAsyncIteration:
                    return
                try:
                    step = inner.asend((yield item))
                except GeneratorExit:
                    await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - handed on to where it was thrown
                    step = inner.athrow(error)

    return caught


# What an event loop calls: who called it says nothing.
_DRIVEN = (_coroutine, _asynchronous_generator)
_KINDS: tuple[tuple[Callable[[Any], bool], Callable[[Catch[bool], Callable[..., Any]], Callable[..., Any]]], ...] = (
    (inspect.iscoroutinefunction, _coroutine),
    (inspect.isgeneratorfunction, _generator),
    (inspect.isasyncgenfunction, _asynchronous_generator),
)
