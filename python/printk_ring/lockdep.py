"""Finds deadlocks before they happen: with PRINTK_RING_LOCKDEP=1 the order in which locks are taken is written down, around
log calls and console writes above all, and an order that contradicts another one is reported, with the stacks of both.

From the import of `printk_ring` on, `threading.Lock` and `threading.RLock` make locks that take part; locks that were made
before, and those of C code, do not. A console is taken part for as if it were a lock: each log call and each flush waits
for it, and Python code that it calls runs under it. So a thread that logs while it holds a lock, and a console whose code
takes the same lock, are found out the first time that both have happened, in whatever order and however far apart.

A report is a record at WARNING of the logger `printk_ring.lockdep`, in the default log or else in the first open one, and
stays in `reports()`. Without the variable nothing of this is imported.

Attempts that may fail (`blocking=False`, or a timeout) wait for nothing that matters; what they have taken is held as if it
had been waited for.
"""

import _thread
import atexit
import contextlib
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple, NoReturn

from printk_ring import _native, context, delivery
from printk_ring.levels import Level
from printk_ring.lockorder import Graph, Node, Order, Place, Witness
from printk_ring.log import default_log

__all__ = ["Report", "Step", "is_on", "reports", "start", "writing"]

_LOGGER = "printk_ring.lockdep"
# Frames of these files are between a lock and whoever takes it.
_BETWEEN = frozenset({__file__, threading.__file__})
_MOST_FRAMES = 32
_on = False
_MOST_CONSOLES = 64
# Longer than anybody works under the guard: whoever waits this long goes on without.
_GUARD_SECONDS = 1.0


class Step(NamedTuple):
    """One of the orders of a report: somebody waited for `taking` while holding `holding`."""

    holding: str
    held_since: str
    """Where it was taken; empty for a console."""
    taking: str
    thread: str
    stack: str
    """Of the thread when it was about to wait, as a traceback shows it."""


class Report(NamedTuple):
    """Orders that contradict each other. `str()` is all of it."""

    locks: tuple[str, ...]
    steps: tuple[Step, ...]
    """The one that was seen last is the last."""

    def __str__(self) -> str:
        """A headline, then each order with its stack."""
        lines = [f"possible deadlock: {self.headline}"]
        for step in self.steps:
            since = f", taken at {step.held_since}," if step.held_since else ""
            lines += [f"{step.thread} held {step.holding}{since} and waited for {step.taking}:", step.stack]
        return "\n".join(lines)

    @property
    def headline(self) -> str:
        """Which locks."""
        how = "in opposite orders" if len(self.locks) == 2 else "in orders that form a circle"  # noqa: PLR2004 - both
        return f"{' and '.join(self.locks)} are taken {how}"


def reports() -> list[Report]:
    """What was found in this process, the oldest first; what its parent had found when it forked included."""
    return list(_reports)


def is_on() -> bool:
    """Whether locks that are made now take part."""
    return _on


def start() -> None:
    """Begins, for good: what the import of `printk_ring` does under PRINTK_RING_LOCKDEP=1. Twice is once."""
    global _on  # noqa: PLW0603 - for the life of the process
    if _on:
        return
    _on = True
    threading.Lock = Lock  # type: ignore[assignment]  # that is how it works
    threading.RLock = RLock  # type: ignore[assignment]
    os.register_at_fork(after_in_child=_after_fork)
    atexit.register(_last_words)
    delivery.hand_over = _under_the_console(delivery.hand_over)
    delivery.hand_over_text = _under_the_console(delivery.hand_over_text)
    _native._watch(_about_to_log)  # noqa: SLF001 - our own


class writing:  # noqa: N801 - a context manager, used as a function
    """What runs inside is code that a console calls: `with writing("name"):`.

    `life` is `Log._life` of the console's log; None: of the log that reports go to.
    """

    __slots__ = ("_hold", "_life", "_name")

    def __init__(self, console_name: str, life: int | None = None) -> None:
        """Remembers which."""
        self._name = console_name
        self._life = life
        self._hold: _Hold | None = None

    def __enter__(self) -> None:
        """Takes the console."""
        if self._life is None:
            self._life = next((log._life for log in _logs()), 0)  # noqa: SLF001 - our own
        node = _consoles_of(self._life)
        _wait_for(node)
        self._hold = _Hold(node, node.guard_of(self._name), f"console {self._name!r}", None)
        _here.held.append(self._hold)
        _here.writing += 1

    def __exit__(self, kind: object, value: object, trace: TracebackType | None) -> None:
        """Gives it back."""
        _here.writing -= 1
        if self._hold is not None:
            self._hold.leave()


# --- what is held ----------------------------------------------------------------------------------------------------


class _LockNode(Node):
    """A lock, and who has it."""

    __slots__ = ("hold", "lock")

    def __init__(self, kind: str, lock: "_thread.LockType | None") -> None:
        """`lock`: the one underneath, if others than its holder may release it."""
        super().__init__("")
        self.name = f"{kind} {self.serial} made at {_place(_caller())}"
        self.hold: _Hold | None = None
        self.lock = lock


class _Hold:
    """A lock in the hands of a thread."""

    __slots__ = ("guard", "held", "name", "node", "since")

    def __init__(self, node: Node, guard: int, name: str, since: Place | None) -> None:
        """`guard`: what no two threads hold at the same time."""
        self.node = node
        self.guard = guard
        self.name = name
        self.held = _here.held
        self.since = since

    def leave(self) -> None:
        """The thread has it no more; whoever says so."""
        with contextlib.suppress(ValueError):  # somebody else was faster
            self.held.remove(self)

    def stands(self) -> bool:
        """False: it was released by another thread before this one had written down that it has it."""
        node = self.node
        if not isinstance(node, _LockNode):
            return True
        return node.hold is self and (node.lock is None or node.lock.locked())


class _Here(threading.local):
    """What this thread holds and does."""

    def __init__(self) -> None:
        self.held: list[_Hold] = []
        self.writing = 0
        # Inside of this module: what else happens on this thread now, by a signal handler or a destructor, is not looked
        # at, so that nothing in here waits for itself.
        self.busy = False


_here = _Here()
_graph = Graph()
_guard = _thread.allocate_lock()
_consoles: dict[int, "_Consoles"] = {}
_reports: list[Report] = []
_untold: deque[Report] = deque()


def _wait_for(node: Node) -> None:
    """This thread is about to wait for `node`, for as long as it takes."""
    here = _here
    if not here.held or here.busy:
        return
    holds = [hold for hold in tuple(here.held) if hold.stands()]
    if len(holds) < len(here.held):
        here.held[:] = holds
    held = [hold.node for hold in holds]
    guards = frozenset(hold.guard for hold in holds)
    if _graph.knows(held, guards, node):
        return
    if isinstance(node, _Consoles) and context._is_in_handler():  # noqa: SLF001 - our own
        return  # a log call in there waits for nothing
    here.busy = True
    try:
        for circle in _learn(holds, guards, node):
            _report(circle)
    finally:
        here.busy = False


def _learn(holds: list[_Hold], guards: frozenset[int], node: Node) -> list[list[Order]]:
    frame, thread = _caller(), _thread_name()
    stack: list[tuple[Place, ...]] = []

    def witness(index: int) -> Witness:
        if not stack:
            stack.append(_stack(frame))
        hold = holds[index]
        return Witness(thread, hold.name, hold.since, node.name, stack[0])

    guard = _guard  # a fork in here, by a destructor, gives the child another one
    if not guard.acquire(timeout=_GUARD_SECONDS):
        return []  # a destructor that runs under it waits for a lock of ours
    try:
        return _graph.learn([hold.node for hold in holds], guards, node, witness)
    finally:
        guard.release()


def _hold(node: _LockNode) -> None:
    hold = _Hold(node, node.serial, node.name, _place(_caller()))
    node.hold = hold
    hold.held.append(hold)


# --- locks -----------------------------------------------------------------------------------------------------------


class _Watched:
    """What both kinds of lock have in common. Underneath is a lock of the interpreter's."""

    __slots__ = ("__weakref__", "_lock", "_node")

    _lock: Any
    _node: _LockNode

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As that of `threading`."""
        if blocking and timeout == -1:
            _wait_for(self._node)
        if not self._lock.acquire(blocking, timeout):
            return False
        _hold(self._node)
        return True

    def release(self) -> None:
        """As that of `threading`: by any thread."""
        hold, self._node.hold = self._node.hold, None
        self._lock.release()
        if hold is not None:
            hold.leave()

    def locked(self) -> bool:
        """As that of `threading`."""
        return bool(self._lock.locked())

    def __enter__(self) -> bool:
        """As that of `threading`."""
        return self.acquire()

    def __exit__(self, kind: object, value: object, trace: TracebackType | None) -> None:
        """As that of `threading`."""
        self.release()

    def _at_fork_reinit(self) -> None:
        hold, self._node.hold = self._node.hold, None
        self._lock._at_fork_reinit()  # noqa: SLF001 - what the standard library calls
        if hold is not None:
            hold.leave()

    def __reduce__(self) -> NoReturn:
        """A lock is not copied."""
        raise TypeError(f"cannot pickle {type(self._lock).__name__!r} object")

    def __repr__(self) -> str:
        """That of the lock underneath, and where it was made."""
        return f"<{self._lock!r}: {self._node.name}>"

    def __del__(self, gone: Callable[[Node], None] = _graph.gone) -> None:
        """Its orders go with it."""
        self._node.hold = None
        gone(self._node)


class Lock(_Watched):
    """`threading.Lock` that says what is waited for."""

    __slots__ = ()

    def __init__(self) -> None:
        """Unlocked."""
        self._lock = _thread.allocate_lock()
        self._node = _LockNode("Lock", self._lock)

    acquire_lock: Callable[..., bool] = _Watched.acquire
    release_lock: Callable[[_Watched], None] = _Watched.release
    locked_lock: Callable[[_Watched], bool] = _Watched.locked


class RLock(_Watched):
    """`threading.RLock` that says what is waited for: when it is taken first, not when it is taken again."""

    __slots__ = ()

    def __init__(self) -> None:
        """Unlocked."""
        self._lock = _thread.RLock()
        self._node = _LockNode("RLock", None)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As that of `threading`."""
        if self._is_owned():
            return bool(self._lock.acquire(blocking, timeout))
        return super().acquire(blocking, timeout)

    def release(self) -> None:
        """As that of `threading`."""
        hold = self._node.hold
        self._lock.release()
        if hold is not None and not self._is_owned():
            hold.leave()

    # What a Condition calls: `wait` releases the lock, however often it was taken, and takes it as often again.

    def _is_owned(self) -> bool:
        return bool(self._lock._is_owned())  # noqa: SLF001 - see above

    def _release_save(self) -> Any:
        hold = self._node.hold
        state = self._lock._release_save()  # noqa: SLF001 - see above
        if hold is not None:
            hold.leave()
        return state

    def _acquire_restore(self, state: Any) -> None:
        _wait_for(self._node)
        self._lock._acquire_restore(state)  # noqa: SLF001 - see above
        _hold(self._node)

    def _recursion_count(self) -> int:
        return int(self._lock._recursion_count())  # noqa: SLF001 - what the standard library's tests call


# --- consoles --------------------------------------------------------------------------------------------------------


class _Consoles(Node):
    """What stands for all consoles of a log: a log call waits for all of them. The code of each runs on one thread."""

    __slots__ = ("_guards",)

    def __init__(self) -> None:
        super().__init__("the consoles of its log")
        self._guards: dict[str, int] = {}

    def guard_of(self, console: str) -> int:
        """The number that keeps two threads out of the console's code."""
        while len(self._guards) >= _MOST_CONSOLES and console not in self._guards:
            self._guards.pop(next(iter(self._guards)), None)
        return self._guards.setdefault(console, Node(console).serial)


def _consoles_of(life: int) -> _Consoles:
    node = _consoles.get(life)
    if node is None:
        node = _consoles.setdefault(life, _Consoles())
        while len(_consoles) > _MOST_CONSOLES:
            oldest = _consoles.pop(next(iter(_consoles)), None)
            if oldest is not None:
                _graph.gone(oldest)
    return node


def _about_to_log(life: int) -> None:
    """Called in the thread of each log call and each flush, but for those that wait for nothing in any case."""
    here = _here
    if _untold and not here.busy:
        _tell_again(here)
    if here.held and not here.writing:
        _wait_for(_consoles_of(life))


def _under_the_console(deliver: Callable[..., None]) -> Callable[..., None]:
    def hand_over(call: Callable[[_native.Record], Any], batch: _native._Batch) -> None:
        with writing(batch.console, batch.life):
            deliver(call, batch)

    return hand_over


# --- reports ---------------------------------------------------------------------------------------------------------


def _report(circle: list[Order]) -> None:
    witnesses = [order.witness for order in circle]
    steps = tuple(
        Step(seen.holding, str(seen.held_since or ""), seen.taking, seen.thread, _formatted(seen.stack))
        for seen in witnesses
    )
    report = Report(tuple(step.holding for step in steps), steps)
    _reports.append(report)
    if not _tell(report):
        _untold.append(report)


def _tell(report: Report) -> bool:
    exc = ("LockOrderInversion", report.headline, str(report))
    fields = {"locks": list(report.locks)}
    event = "locks are taken in orders that can deadlock"

    def tell(log: _native.Log) -> bool:
        return log._emit(Level.WARNING, event, logger=_LOGGER, exc=exc, fields=fields)  # noqa: SLF001 - our own

    # As if from within a log call: such a record is stored, and waits for nobody.
    return any(_native._nested(log, tell, log) for log in _logs())  # noqa: SLF001 - our own


def _logs() -> list[_native.Log]:
    """Where a report may go, the best place first."""
    first = default_log()
    return [*([] if first is None else [first]), *_native._open_logs()]  # noqa: SLF001 - our own


def _tell_again(here: _Here) -> None:
    """Reports that were made before there was a log."""
    here.busy = True
    try:
        while _untold and _tell(_untold[0]):
            _untold.popleft()
    finally:
        here.busy = False


def _last_words() -> None:
    """At the exit: what no log has taken goes to stderr."""
    _tell_again(_here)
    while _untold:
        sys.stderr.write(f"printk_ring: {_untold.popleft()}\n")


def _after_fork() -> None:
    """A thread that worked under the guard does not exist in the child."""
    global _guard  # noqa: PLW0603 - see above
    _guard = _thread.allocate_lock()


# --- where -----------------------------------------------------------------------------------------------------------


def _caller() -> FrameType:
    """Whoever takes a lock, or makes one, or logs."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to a frame
    while frame.f_back is not None and frame.f_code.co_filename in _BETWEEN:
        frame = frame.f_back
    return frame


def _place(frame: FrameType) -> Place:
    return Place(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name)


def _stack(frame: FrameType | None) -> tuple[Place, ...]:
    places: list[Place] = []
    while frame is not None and len(places) < _MOST_FRAMES:
        places.append(_place(frame))
        frame = frame.f_back
    return tuple(reversed(places))


def _thread_name() -> str:
    """Of this thread; asking `threading` for one that it has not made would make an object that stays."""
    ours = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    if ours is not None:
        return str(ours.name)
    with contextlib.suppress(OSError):
        return Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text("utf-8", "replace").rstrip("\n")
    return f"thread {threading.get_native_id()}"


def _formatted(stack: tuple[Place, ...]) -> str:
    frames = [(file, line, function, None) for file, line, function in stack]
    lines = traceback.StackSummary.from_list(frames).format()
    return "".join(lines).rstrip("\n")
