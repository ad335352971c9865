"""`python -m printk_ring COMMAND`: the package's own commands besides `prdmesg`."""

import sys
from collections.abc import Sequence

_USAGE = """\
usage: python -m printk_ring demo [options]

demo    a real web server is killed in mid-burst; a fresh process finds every request in the ring
        (python -m printk_ring demo --help)
"""
_USAGE_ERROR = 2


def main(arguments: Sequence[str]) -> int:
    """Runs the command named first and returns its exit status."""
    if arguments and arguments[0] == "demo":
        from printk_ring.demo import main as demo  # noqa: PLC0415 - each command imports what it needs

        return demo(arguments[1:])
    if arguments and arguments[0] in {"-h", "--help"}:
        sys.stdout.write(_USAGE)
        return 0
    sys.stderr.write(_USAGE)
    return _USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
