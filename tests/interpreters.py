"""What some interpreters do otherwise than all others, and tests of ours have to know."""

from __future__ import annotations

import logging
import sysconfig

import pytest

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""Built to run without the interpreter's lock."""

nested_logging = pytest.mark.skipif(
    hasattr(logging.Logger, "_tls"),
    reason="this standard library (3.13.5 is one) ignores what is logged while it handles a record; every other runs it",
)
