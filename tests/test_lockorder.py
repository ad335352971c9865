"""The graph of lock orders by itself: what is a circle, and what is none."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from printk_ring.lockorder import Graph, Node, Order, Place, Witness

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Place("here.py", 1, "here")


def witness(index: int) -> Witness:
    return Witness("thread", str(index), HERE, "taken", (HERE,))


def nodes(count: int) -> list[Node]:
    return [Node(str(number)) for number in range(count)]


def take(graph: Graph, *locks: Node) -> list[list[str]]:
    """The locks one under the other; the circles by their names."""
    circles: list[list[Order]] = []
    for depth in range(1, len(locks)):
        guards = frozenset(lock.serial for lock in locks[:depth] if lock.name != "shared")
        if not graph.knows(locks[:depth], guards, locks[depth]):
            circles += graph.learn(locks[:depth], guards, locks[depth], witness)
    return [[order.first.name for order in circle] for circle in circles]


def test_two_locks_in_opposite_orders_are_a_circle_and_told_once() -> None:
    graph, (a, b) = Graph(), nodes(2)
    assert take(graph, a, b) == []
    assert take(graph, b, a) == [["0", "1"]]
    assert take(graph, b, a) == []
    assert take(graph, a, b) == []


def test_three_locks_are_a_circle_when_the_last_order_closes_it() -> None:
    graph, (a, b, c, d) = Graph(), nodes(4)
    assert take(graph, a, b) == []
    assert take(graph, b, c) == []
    assert take(graph, c, d) == []
    assert take(graph, c, a) == [["0", "1", "2"]]


def test_locks_that_are_held_further_out_count_too() -> None:
    graph, (a, b, c) = Graph(), nodes(3)
    assert take(graph, a, b, c) == []
    assert take(graph, c, a) == [["0", "2"]]


def test_a_lock_that_is_always_held_besides_keeps_the_others_apart_until_once_it_is_not() -> None:
    graph, (gate, a, b) = Graph(), nodes(3)
    assert take(graph, gate, a, b) == []
    assert take(graph, gate, b, a) == []
    assert take(graph, gate, b, a) == []
    assert take(graph, b, a) == [["1", "2"]]
    assert take(graph, a, b) == []


def test_two_of_three_that_hold_the_same_lock_are_never_there_together() -> None:
    graph, (gate, a, b, c) = Graph(), nodes(4)
    assert take(graph, gate, a, b) == []
    assert take(graph, gate, b, c) == []
    assert take(graph, c, a) == []
    assert take(graph, b, c) == [["3", "1", "2"]]


def test_a_longer_way_round_is_found_where_the_shortest_is_guarded() -> None:
    graph, (gate, a, b, c) = Graph(), nodes(4)
    assert take(graph, gate, b, a) == []
    assert take(graph, b, c) == []
    assert take(graph, c, a) == []
    assert take(graph, gate, a, b) == [["2", "3", "1"]]


def test_what_several_can_have_at_a_time_keeps_nobody_apart() -> None:
    graph, (a, b) = Graph(), nodes(2)
    shared = Node("shared")
    assert take(graph, shared, a, b) == []
    assert take(graph, shared, b, a) == [["0", "1"]]


def test_the_orders_of_a_lock_go_with_it() -> None:
    graph, (a, b, c) = Graph(), nodes(3)
    assert take(graph, a, b) == []
    assert take(graph, b, c) == []
    graph.gone(b)
    assert take(graph, c, a) == []
    assert graph.orders == 1
    assert not a.after
    assert not c.before


def test_the_graph_is_bounded_and_counts_what_it_ignores() -> None:
    graph, (a, b, c, d) = Graph(most_orders=2), nodes(4)
    assert take(graph, a, b) == []
    assert take(graph, c, d) == []
    assert take(graph, b, a) == []
    assert (graph.orders, graph.ignored) == (2, 1)
    graph.gone(c)
    assert take(graph, b, a) == [["0", "1"]]
    assert (graph.orders, graph.ignored) == (2, 1)


class Model:
    """The same by trying every circle."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.gates: dict[tuple[int, int], frozenset[int]] = {}

    def learn(self, held: Sequence[int], wanted: int) -> list[int]:
        """Which of the locks that are held have a new order, or one that is less guarded than before."""
        news = []
        for first in held:
            gates = frozenset(held)
            before = self.gates.get((first, wanted))
            self.gates[first, wanted] = gates if before is None else before & gates
            if self.gates[first, wanted] != before:
                news.append(first)
        return news

    def circles(self, first: int, second: int) -> list[set[int]]:
        """The sets of locks of the circles that an order is in."""
        others = [number for number in range(self.count) if number not in {first, second}]
        found = []
        for length in range(len(others) + 1):
            for between in itertools.permutations(others, length):
                way = [first, second, *between, first]
                steps = list(itertools.pairwise(way))
                if all(step in self.gates for step in steps):
                    held = [self.gates[step] for step in steps]
                    if all(one.isdisjoint(other) for one, other in itertools.combinations(held, 2)):
                        found.append(set(way))
        return found


held_and_wanted = st.lists(st.integers(0, 4), min_size=2, max_size=4, unique=True)


@settings(deadline=None)
@given(st.lists(held_and_wanted, max_size=12))
def test_what_is_told_is_a_circle_and_every_circle_is_told(takes: list[list[int]]) -> None:
    graph, model, locks = Graph(), Model(5), nodes(5)
    told: list[set[int]] = []
    for *held, wanted in takes:
        news = model.learn(held, wanted)
        under = [locks[number] for number in held]
        guards = frozenset(lock.serial for lock in under)
        known = graph.knows(under, guards, locks[wanted])
        circles = graph.learn(under, guards, locks[wanted], witness)
        assert not (known and circles), "what is known closes no circle"
        for circle in circles:
            ends = [order.second for order in circle]
            assert ends == [order.first for order in [*circle[1:], circle[0]]], "each order leads to the next"
            names = {int(order.first.name) for order in circle}
            assert len(names) == len(circle), "no lock twice"
            assert names not in told, "each circle once"
            last = circle[-1]
            assert names in model.circles(int(last.first.name), int(last.second.name))
            told.append(names)
        assert known == (not news)
        for first in news:
            if model.circles(first, wanted):
                assert any({first, wanted} <= names for names in told)
