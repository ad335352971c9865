"""The promise: fields keep their types, from the call to whoever reads the ring."""

import datetime as dt
import decimal
import uuid
from pathlib import Path

import printk_ring as pr

with pr.Log(size="256 KiB") as log:
    request = log.get_logger("shop").bind(request=uuid.uuid4())
    request.info(
        "order %d placed",
        4711,
        total=decimal.Decimal("12.50"),
        due=dt.date(2026, 12, 24),
        paid_at=dt.datetime(2026, 11, 20, 10, 11, 12, tzinfo=dt.UTC),
        items=["tea", {"name": "cup", "count": 2}],
        receipt=Path("/srv/receipts/4711.pdf"),
        coupon=None,
    )
    [record] = log.reader()

print(record)
print(record.format("json"))
for key, value in record.fields.items():
    print(f"  {key:<8} {type(value).__name__:<14} {value!r}")
