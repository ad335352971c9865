"""What some interpreters do otherwise than all others, and tests of ours have to know."""

from __future__ import annotations

import logging
import sys
import sysconfig

import pytest

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
"""Built to run without the interpreter's lock."""

KEEPS_CODE = FREE_THREADED and sys.version_info < (3, 14)
"""Once a thread was started no code object ever goes, and its call sites keep their places in the table of the process."""

code_goes = pytest.mark.skipif(KEEPS_CODE, reason="this interpreter keeps all code; every other runs it")

nested_logging = pytest.mark.skipif(
    hasattr(logging.Logger, "_tls"),
    reason="this standard library (3.13.5 is one) ignores what is logged while it handles a record; every other runs it",
)
