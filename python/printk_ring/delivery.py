"""Records to Python code, one by one: what a console's own thread runs while it is attached to the interpreter.

The native module calls `hand_over` and `hand_over_text` with a batch. Everything that may run code of the application runs
in here, so that an exception of any kind belongs to one record, and an interpreter that ends finds only Python's own
frames.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from printk_ring._native import Record, _Batch

__all__ = ["hand_over", "hand_over_text", "text_maker"]


def hand_over(call: "Callable[[Record], object]", batch: "_Batch") -> None:
    """Calls `call` with each record of a batch; an exception is told, and the next record goes on."""
    for record in batch:
        try:
            call(record)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must not end the console
            batch.failed(_told(error))
        else:
            batch.done()


def hand_over_text(call: "Callable[[Record], str]", batch: "_Batch") -> None:
    """Gives the console the text that `call` makes of each record; an exception is told, and the next record goes on."""
    for record in batch:
        try:
            batch.write(call(record))
        except BaseException as error:  # noqa: BLE001 - as above
            batch.failed(_told(error))


def text_maker(given: Any) -> "Callable[[Record], str] | None":
    """What makes text of a record by `given`, a `logging.Formatter` or a function; None: it is neither."""
    logging = sys.modules.get("logging")  # who has a formatter has imported it
    if logging is not None and isinstance(given, logging.Formatter):
        from printk_ring.logrecords import formatting  # noqa: PLC0415 - not before somebody has a formatter

        return formatting(given)
    maker: Any = given
    return maker if callable(given) else None


def _told(error: BaseException) -> str:
    kind = type(error).__qualname__
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - whatever a __str__ does
        return f"{kind}: <unprintable>"
    return f"{kind}: {message}" if message else kind
