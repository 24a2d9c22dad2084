"""Whose turn it is, without a server: an event loop and nothing else."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from millrace_serve import turns as turns_module
from millrace_serve.limits import Admission
from millrace_serve.refusal import RequestRefusedError
from millrace_serve.turns import SMALL_IN_A_ROW, Turns


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**given: Any) -> None:
        asyncio.run(asyncio.wait_for(test(**given), 30))

    return run


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Asked:
    """Pieces of work that wait for a turn, and the order in which they got it."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, size: Any, client: str = "one") -> None:
        async def take() -> None:
            await self.turns.take(size, client)
            self.order.append(name)

        self.tasks[name] = asyncio.create_task(take())
        await settle()


@in_a_loop
async def test_clients_take_turns_and_keep_their_own_order() -> None:
    asked = Asked(Turns(1))
    await asked.ask("first", "small")
    for name, client in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c")):
        await asked.ask(name, "small", client)
    for _ in range(5):
        asked.turns.give_back("small")
        await settle()
    assert asked.order == ["first", "a1", "b1", "c1", "a2", "a3"]


@in_a_loop
async def test_small_pieces_go_first_and_large_ones_are_not_forgotten() -> None:
    asked = Asked(Turns(1))
    await asked.ask("first", "small")
    await asked.ask("large", "large")
    for number in range(20):
        await asked.ask(f"small {number}", "small")
    for _ in range(SMALL_IN_A_ROW + 1):
        asked.turns.give_back("small")
        await settle()
    assert asked.order.index("large") == SMALL_IN_A_ROW


@in_a_loop
async def test_large_pieces_leave_a_slot_to_small_ones_while_these_come() -> None:
    asked = Asked(Turns(2))
    await asked.ask("small", "small")
    asked.turns.saw_small()
    asked.turns.give_back("small")
    for number in range(2):
        await asked.ask(f"large {number}", "large")
    assert asked.order == ["small", "large 0"]
    await asked.ask("another small", "small")
    assert asked.order[-1] == "another small"
    asked.turns.give_back("large")
    await settle()
    assert asked.order[-1] == "another small"  # which is under way: the cores are its own
    asked.turns.give_back("small")
    await settle()
    assert asked.order[-1] == "large 1"


@in_a_loop
async def test_a_small_piece_that_is_stuck_keeps_no_slot_free_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(Turns(2))
    await asked.ask("stuck", "small")
    monkeypatch.setattr(turns_module, "SMALL_EXPECTED_SECONDS", 0.0)
    await asked.ask("large", "large")
    assert asked.order == ["stuck", "large"]


@in_a_loop
async def test_large_pieces_take_all_slots_where_nothing_small_comes() -> None:
    asked = Asked(Turns(2))
    for number in range(3):
        await asked.ask(f"large {number}", "large")
    assert asked.order == ["large 0", "large 1"]


@in_a_loop
async def test_whoever_waits_no_longer_holds_nothing() -> None:
    asked = Asked(Turns(1))
    await asked.ask("first", "small")
    for name in ("second", "third", "fourth"):
        await asked.ask(name, "small")
    asked.tasks["second"].cancel()
    asked.turns.give_back("small")  # in the same moment: the turn is the third's
    await settle()
    assert asked.order == ["first", "third"]
    asked.turns.give_back("small")
    asked.tasks["fourth"].cancel()  # its turn has come, and it does not know yet
    await settle()
    await asked.ask("fifth", "small")
    assert asked.order == ["first", "third", "fifth"]


@in_a_loop
async def test_as_many_large_requests_are_under_way_as_there_are_slots() -> None:
    turns = Turns(1)
    await turns.begin_large("a")
    second = asyncio.create_task(turns.begin_large("a"))
    third = asyncio.create_task(turns.begin_large("b"))
    await settle()
    assert not second.done()
    second.cancel()
    turns.end_large()
    await settle()
    assert third.done()


@in_a_loop
async def test_a_wait_beyond_the_limit_is_refused() -> None:
    asked = Asked(Turns(2))
    asked.turns.took("small", 1.0)
    for number in range(2 + 8):
        await asked.ask(str(number), "small")
    asked.turns.check_time("small", 4.0)
    await asked.ask("one more", "small")
    with pytest.raises(RequestRefusedError, match="take about") as caught:
        asked.turns.check_time("small", 4.0)
    assert (caught.value.status, caught.value.headers) == (503, {"retry-after": "1"})


@in_a_loop
async def test_small_ones_may_be_ahead_and_large_ones_get_their_turn_among_them() -> None:
    asked = Asked(Turns(2, ahead=2))
    for number in range(4):
        await asked.ask(str(number), "small")
    asked.turns.took("small", 1.0)
    await asked.ask("large", "large")
    for number in range(4, 20):
        await asked.ask(str(number), "small")
    assert asked.order == ["0", "1", "2", "3"]
    with pytest.raises(RequestRefusedError, match="about 9 s"):
        asked.turns.check_time("small", 8.0)
    for _ in range(10):
        asked.turns.give_back("small")
        await settle()
    assert asked.order.index("large") == SMALL_IN_A_ROW
    assert len(asked.order) == 4 + 10


def test_a_client_alone_gets_half_of_the_places_and_others_find_one() -> None:
    admission = Admission(max_in_flight=8)
    for _ in range(4):
        admission.enter("a")
    with pytest.raises(RequestRefusedError):
        admission.enter("a")
    for _ in range(2):
        admission.enter("b")
    with pytest.raises(RequestRefusedError):
        admission.enter("b")
    for _ in range(4):
        admission.leave("a")
    admission.enter("a")
