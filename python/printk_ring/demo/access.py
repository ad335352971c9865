"""How the access record of a request is told from other records, and which id it is about."""

import re

__all__ = ["ACCESS_LOGGER", "ids_in"]

ACCESS_LOGGER = "demo.http"

_ID = re.compile(r"/item/([0-9a-f]{32})")


def ids_in(message: str) -> list[str]:
    """The ids in the message of an access record: one, if it is the message of a request of ours."""
    return _ID.findall(message)
