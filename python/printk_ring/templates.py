"""`%` templates whose arguments resist: what a call shows where the interpreter itself gives up."""

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["names", "second_try"]

# Behind the "%" and a name: flags, width, precision, a length that means nothing, the conversion.
_CONVERSION = re.compile(r"([-+ #0]*(\*|\d*)(?:\.(\*|\d*))?)[hlL]?(.)", re.DOTALL)
_TEXTS: dict[str, Callable[[object], str]] = {"s": str, "r": repr, "a": ascii}


def second_try(template: str, args: tuple[Any, ...] | Mapping[Any, Any], hidden: str | None) -> tuple[str, bool] | None:
    """Template and arguments as one text, conversion by conversion; None: they do not fit each other, as was found before.

    `args` is what stands right of the `%`: a tuple, or a mapping. The text `hidden`, which was put in the place of an
    argument, fits any conversion. An object whose text cannot be had is `<unprintable TYPE>`, and then the second value is
    False.
    """
    given = _Given(args, hidden)
    parts = []
    at = 0
    while (start := template.find("%", at)) >= 0:
        parts.append(template[at:start])
        try:
            part, at = given.converted(template, start + 1)
        except Exception:  # noqa: BLE001 - none left, no such name, a number that is none, or no conversion at all
            return None
        parts.append(part)
    parts.append(template[at:])
    if not given.resisted or not given.are_used_up():
        return None
    return "".join(parts), given.is_printable


def names(template: str) -> list[str]:
    """The names that a template asks for, as in "%(name)s", each once."""
    found: dict[str, None] = {}
    at = 0
    while (start := template.find("%", at)) >= 0:
        at = start + (2 if template.startswith("%", start + 1) else 1)
        if template.startswith("(", at):
            try:
                name, at = _name(template, at)
            except ValueError:
                break  # it ends within a name, and fits no arguments
            if name is not None:
                found[name] = None
    return list(found)


class _Given:
    """The arguments, taken one by one."""

    def __init__(self, args: tuple[Any, ...] | Mapping[Any, Any], hidden: str | None) -> None:
        is_listed = isinstance(args, tuple)
        self._named: Any = {} if is_listed else args
        self._listed = iter(args if is_listed else (args,))  # a mapping is one itself, where no name is asked for
        self._may_be_left = not is_listed
        self._hidden = hidden
        self.resisted = False
        self.is_printable = True

    def are_used_up(self) -> bool:
        """True when no argument is left over that may not be."""
        return self._may_be_left or next(self._listed, self) is self

    def converted(self, template: str, at: int) -> tuple[str, int]:
        """The text of the conversion whose "%" is right before `at`, and where it ends."""
        name, at = _name(template, at)
        match = _CONVERSION.match(template, at)
        if match is None:
            raise ValueError("incomplete format")
        style, width, precision, kind = match.groups()
        if style + kind == "%" and name is None:
            return "%", match.end()
        stars = [self._int() for star in (width, precision) if star == "*"]
        value = self._named[name] if name is not None else next(self._listed)
        return self._text(f"%{style}", kind, stars, value), match.end()

    def _int(self) -> int:
        value = next(self._listed)
        if not isinstance(value, int):
            raise TypeError("* wants int")
        return value

    def _text(self, style: str, kind: str, stars: list[int], value: object) -> str:
        if self._hidden is not None and type(value) is str and value == self._hidden:
            self.resisted = True
            return value
        if kind not in _TEXTS:
            return f"{style}{kind}" % (*stars, value)
        try:
            text = _TEXTS[kind](value)
        except Exception:  # noqa: BLE001 - whatever a __str__ does
            self.resisted, self.is_printable = True, False
            return f"<unprintable {type(value).__name__}>"
        return f"{style}s" % (*stars, text)


def _name(template: str, at: int) -> tuple[str | None, int]:
    """The name in parentheses at `at`, which may have some of its own, and where it ends; None: there is none."""
    if not template.startswith("(", at):
        return None, at
    depth = 0
    for end in range(at, len(template)):
        depth += {"(": 1, ")": -1}.get(template[end], 0)
        if depth == 0:
            return template[at + 1 : end], end + 1
    raise ValueError("incomplete format key")
