"""The order in which locks are waited for, as a graph: who waits for B while holding A makes an order from A to B.

Where orders form a circle, threads that each hold one lock and wait for the next can wait for ever, even if they never
have. Where two of them would hold the same lock besides they can never be there at the same time: such a circle is none.
What keeps others out in this way are the guards of a wait: numbers, those of the locks that are held as a rule.

Nothing in here takes a lock; but for `Graph.knows`, which may be called by anybody, it is used by one thread at a time.
"""

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

__all__ = ["Graph", "Node", "Order", "Place", "Witness"]

_serials = itertools.count(1)
# Circles beyond this number are not looked for: whoever has that many has read the first ones.
_MOST_CIRCLES = 100
# The search for a circle that is possible, where the shortest is not, gives up after this many orders.
_MOST_STEPS = 2000


class Place(NamedTuple):
    """A line of a program."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.file}:{self.line} in {self.function}"


class Witness(NamedTuple):
    """How an order was seen."""

    thread: str
    holding: str
    held_since: Place | None
    taking: str
    stack: tuple[Place, ...]
    """Of the thread when it was about to wait, the innermost call last."""


class Node:
    """A lock, or something that is waited for like one."""

    __slots__ = ("after", "before", "name", "serial")

    def __init__(self, name: str) -> None:
        """Nobody has waited for it yet."""
        self.serial: int = next(_serials)
        self.name: str = name
        self.after: dict[int, Order] = {}
        self.before: dict[int, Node] = {}


class Order:
    """`second` was waited for while `first` was held."""

    __slots__ = ("first", "guards", "second", "witness")

    def __init__(self, first: Node, second: Node, guards: frozenset[int], witness: Witness) -> None:
        """`guards`: those of every time so far."""
        self.first: Node = first
        self.second: Node = second
        self.guards: frozenset[int] = guards
        self.witness: Witness = witness


class Graph:
    """Orders and the circles that they form."""

    def __init__(self, most_orders: int = 8192) -> None:
        """Keeps at most that many orders; those that come later are counted in `ignored`."""
        self.orders: int = 0
        self.ignored: int = 0
        self._most_orders = most_orders
        self._nodes: dict[int, Node] = {}
        self._told: set[frozenset[int]] = set()
        self._gone: deque[int] = deque()

    def knows(self, held: Sequence[Node], guards: frozenset[int], wanted: Node) -> bool:
        """Whether there is nothing to learn from a wait for `wanted` by a thread that holds `held`, behind `guards`."""
        for first in held:
            order = first.after.get(wanted.serial)
            if order is None:
                if first is not wanted:
                    return False
            elif not order.guards <= guards:
                return False
        return True

    def learn(
        self, held: Sequence[Node], guards: frozenset[int], wanted: Node, witness: Callable[[int], Witness]
    ) -> list[list[Order]]:
        """Notes such a wait; `witness(i)` is how it was seen of the lock at `held[i]`.

        Returns the circles that this closes, each set of locks once: as orders, the new one last.
        """
        self._bury()
        circles: list[list[Order]] = []
        for index, first in enumerate(held):
            if first is wanted:
                continue
            order = first.after.get(wanted.serial)
            if order is None:
                order = self._add(Order(first, wanted, guards, witness(index)))
            elif not order.guards <= guards:
                order.guards &= guards
                order.witness = witness(index)  # this time, what kept the others out is missing
            else:
                continue
            circle = None if order is None else self._circle(order)
            if circle is not None:
                circles.append(circle)
        return circles

    def gone(self, node: Node) -> None:
        """Its orders go with it, the next time somebody learns. Called whenever a lock is destroyed, in the middle of
        anything.
        """
        self._gone.append(node.serial)

    def _add(self, order: Order) -> Order | None:
        if self.orders >= self._most_orders:
            self.ignored += 1
            return None
        first, second = order.first, order.second
        self._nodes[first.serial] = first
        self._nodes[second.serial] = second
        second.before[first.serial] = first
        first.after[second.serial] = order
        self.orders += 1
        return order

    def _bury(self) -> None:
        while self._gone:
            node = self._nodes.pop(self._gone.popleft(), None)
            if node is None:
                continue  # it never had an order
            for order in node.after.values():
                order.second.before.pop(node.serial, None)
            for first in node.before.values():
                self.orders -= first.after.pop(node.serial, None) is not None
            self.orders -= len(node.after)
            node.after = {}
            node.before = {}

    def _circle(self, order: Order) -> list[Order] | None:
        """The orders that lead from the second lock of `order` back to its first, and `order`; None: there are none, or
        they were told already.
        """
        if len(self._told) >= _MOST_CIRCLES:
            return None
        way = _shortest_way(order)
        if way is not None and not _is_possible([*way, order]):
            way = _possible_way(order)
        if way is None:
            return None
        locks = frozenset(step.first.serial for step in (*way, order))
        if locks in self._told:
            return None
        self._told.add(locks)
        return [*way, order]


def _shortest_way(order: Order) -> list[Order] | None:
    came_by: dict[int, Order] = {order.second.serial: order}
    queue = deque([order.second])
    while queue:
        for step in queue.popleft().after.values():
            if step.second.serial in came_by:
                continue
            came_by[step.second.serial] = step
            if step.second is order.first:
                way = [step]
                while way[0].first is not order.second:
                    way.insert(0, came_by[way[0].first.serial])
                return way
            queue.append(step.second)
    return None


def _is_possible(circle: list[Order]) -> bool:
    """Whether threads can be in all these places at the same time: no two have a guard in common."""
    guards = [guard for order in circle for guard in order.guards]
    return len(set(guards)) == len(guards)


def _possible_way(order: Order) -> list[Order] | None:
    """A way that is possible: each is tried, up to a bound."""
    way: list[Order] = []
    branches = [iter(order.second.after.values())]
    guards = [order.guards]
    on_it = {order.second.serial}
    for _ in range(_MOST_STEPS):
        step = next(branches[-1], None)
        if step is None:
            branches.pop()
            guards.pop()
            if not way:
                return None
            on_it.discard(way.pop().second.serial)
        elif step.second.serial in on_it or not guards[-1].isdisjoint(step.guards):
            continue
        elif step.second is order.first:
            return [*way, step]
        else:
            way.append(step)
            on_it.add(step.second.serial)
            guards.append(guards[-1] | step.guards)
            branches.append(iter(step.second.after.values()))
    return None
