"""A log's records as NumPy columns: one copy of the ring, and no Python object per record.

NumPy is needed from the first use on, and not before: importing the package does not import it.
"""

from typing import TYPE_CHECKING, Any

from printk_ring import _native

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Snapshot"]

# (name, format, offset) of the native row; 40 bytes, the last one unused.
_COLUMNS = (
    ("seq", "<u8", 0),
    ("ts_nsec", "<u8", 8),
    ("level", "u1", 36),
    ("facility", "u1", 37),
    ("flags", "u1", 38),
    ("caller_id", "<u8", 16),
    ("text_offset", "<u8", 24),
    ("text_len", "<u4", 32),
)
_ROW_BYTES = 40


class Snapshot:
    """All records that were readable at one moment, oldest first. Made by `Log.snapshot` and `RingFile.snapshot`.

    `len()` is the number of records. Rows are addressed by their place here (negative ones from the end), not by seq.
    """

    __slots__ = ("_data", "_info")

    def __init__(self, info: bytes, data: bytes) -> None:
        """Takes the two byte strings of the native `_snapshot()`."""
        import numpy as np  # noqa: PLC0415 - on use, so that importing the package stays free of it

        names, formats, offsets = zip(*_COLUMNS, strict=True)
        row = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": _ROW_BYTES})
        self._info: NDArray[np.void] = np.frombuffer(info, dtype=row)
        self._data = data

    @property
    def info(self) -> "NDArray[np.void]":
        """Structured array, one row per record, read-only, shape (len,).

        Columns: seq u8, ts_nsec u8 (nanoseconds, clock of `time.monotonic_ns`), level u1, facility u1, flags u1,
        caller_id u8, text_offset u8 and text_len u4 (bytes, into `data`).
        """
        return self._info

    @property
    def data(self) -> bytes:
        """The encoded records, back to back; record i is `data[text_offset:text_offset + text_len]`."""
        return self._data

    def text(self, i: int) -> str:
        """The message of record `i`. Raises IndexError beyond the end."""
        return _native.decode_text(self._payload(i))

    def fields(self, i: int) -> dict[str, Any]:
        """The typed fields of record `i`. Raises IndexError beyond the end."""
        return _native.decode_fields(self._payload(i))

    def __len__(self) -> int:
        """The number of records."""
        return len(self._info)

    def __repr__(self) -> str:
        """Says how many records and bytes there are."""
        return f"<Snapshot of {len(self)} records, {len(self._data)} bytes>"

    def _payload(self, i: int) -> memoryview:
        row = self._info[i]
        start = int(row["text_offset"])
        return memoryview(self._data)[start : start + int(row["text_len"])]
