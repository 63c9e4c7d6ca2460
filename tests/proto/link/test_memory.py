"""Where memories are, under any sequence of uses."""

from hypothesis import given
from hypothesis import strategies as st

from qstack.base.ids import Label, QubitId
from qstack.base.time import DomainTime
from qstack.proto.link.memory import MemoryBank, MemoryPool, Place

A, B = Label(2), Label(4)


def pool(size: int = 8) -> MemoryPool:
    return MemoryBank().pool(QubitId(n) for n in range(size))


def test_keep_beyond_what_there_is_keeps_nothing() -> None:
    memories = pool(8)
    assert memories.keep(A, 5)
    assert not memories.keep(B, 4)
    assert memories.kept == {A: 5}
    assert memories.keep(B, 3)


def test_keep_twice_is_refused() -> None:
    memories = pool()
    assert memories.keep(A, 1) and not memories.keep(A, 1)


def test_room_leaves_what_others_are_owed() -> None:
    memories = pool(8)
    memories.keep(A, 2)
    memories.keep(B, 3)
    assert memories.room(A) == 5
    memories.offer(B, 2, DomainTime(0))
    assert memories.room(A) == 5  # B is owed one more of the six that are free
    assert memories.room(B) == 4


def test_memory_that_holds_another_pair_by_now_does_not_hold_the_first() -> None:
    """Late words about a pair must not touch its successor."""
    memories = pool(1)
    for sequence in (5, 6):
        [qubit] = memories.offer(A, 1, DomainTime(0))
        assert not memories.holds_half(qubit, sequence)
        memories.fill(qubit, sequence)
        assert memories.holds_half(qubit, sequence) and not memories.holds_half(qubit, sequence - 1)
        memories.give_back(qubit)


def test_potential_is_fair_but_never_below_what_is_kept() -> None:
    memories = pool(9)
    memories.keep(A, 7)
    memories.keep(B, 1)
    assert memories.potential(B, 2) == 1  # half of the two that are not kept for A
    assert memories.potential(A, 2) == 7


def test_prospect_counts_what_windows_may_give_back() -> None:
    memories = pool(4)
    memories.keep(A, 2)
    memories.keep(B, 2)
    taken = memories.offer(A, 4, DomainTime(0))
    assert len(taken) == 2 and memories.room(A) == 0 and memories.prospect(A) == 2
    memories.fill(taken[0], 1)
    assert memories.prospect(A) == 1


def test_held_memory_given_back_is_free_once() -> None:
    memories = pool(1)
    memories.keep(A, 1)
    (qubit,) = memories.offer(A, 1, DomainTime(5))
    assert not memories.give_back(qubit)  # offered is not held
    memories.fill(qubit, 7)
    assert memories.holding(A, 7) == qubit and memories.holding(A, 8) is None
    assert memories.give_back(qubit)
    assert not memories.give_back(qubit)
    assert memories.free == 1


def test_emptying_memory_is_not_free_until_the_device_says_so() -> None:
    memories = pool(2)
    memories.keep(A, 2)
    qubits = memories.offer(A, 2, DomainTime(9))
    memories.fill(qubits[0], 1)
    assert sorted(memories.unkeep(A)) == sorted(qubits)
    assert memories.free == 0 and memories.census()[Place.EMPTYING] == 2
    assert memories.busy_until(qubits) == 9
    assert not memories.give_back(qubits[0])  # a late word of its former user
    memories.emptied([qubits[0]])
    assert memories.free == 1 and memories.emptying() == [qubits[1]]


USES = st.sampled_from(["offer", "fill", "back", "withdraw", "empty", "emptied"])


@given(st.lists(st.tuples(USES, st.integers(0, 5))))
def test_no_memory_is_lost_or_in_two_places(steps: list[tuple[str, int]]) -> None:
    memories = pool(6)
    memories.keep(A, 2)
    memories.keep(B, 2)
    offered: set[QubitId] = set()
    for what, number in steps:
        qubit = QubitId(number)
        match what:
            case "offer":
                taken = memories.offer(A if number % 2 else B, number, DomainTime(0))
                assert not offered & set(taken)
                offered |= set(taken)
            case "fill" if qubit in offered:
                memories.fill(qubit, number)
                offered.discard(qubit)
            case "back":
                memories.give_back(qubit)
            case "withdraw":
                memories.withdraw([qubit])
                offered.discard(qubit)
            case "empty":
                memories.empty([qubit])
                offered.discard(qubit)
            case "emptied":
                memories.emptied([qubit])
        census = memories.census()
        assert sum(census.values()) == 6
        assert census[Place.FREE] == memories.free
        assert census[Place.OFFERED] == len(offered)
        assert memories.room(A) <= memories.free


def shared(size: int, links: int) -> list[MemoryPool]:
    bank = MemoryBank()
    return [bank.pool(QubitId(n) for n in range(size)) for _ in range(links)]


def test_shared_memory_is_one_links_at_a_time() -> None:
    one, two = shared(4, 2)
    taken = one.offer(A, 2, DomainTime(0))
    assert len(taken) == 2 and (one.free, two.free) == (0, 2)
    one.fill(taken[0], 1)
    assert one.is_held(taken[0]) and not two.is_held(taken[0])
    two.empty(taken)
    two.withdraw(taken)
    two.emptied(taken)
    assert not two.give_back(taken[0]) and one.is_held(taken[0])
    assert one.give_back(taken[0])
    assert set(two.offer(A, 4, DomainTime(0))) == {2, 3}, "one of those that are free is the first link's due"


def test_link_borrows_only_what_others_do_not_lack() -> None:
    one, two, three = shared(9, 3)
    assert one.floor == two.floor == three.floor == 3
    assert len(one.offer(A, 9, DomainTime(0))) == 3, "the others' floors stay free for them"
    assert len(two.offer(A, 9, DomainTime(0))) == 3
    assert len(three.offer(A, 9, DomainTime(0))) == 3


def test_link_that_holds_its_floor_leaves_the_rest_to_be_borrowed() -> None:
    bank = MemoryBank()
    one = bank.pool(map(QubitId, range(6)))
    two = bank.pool(map(QubitId, range(4, 8)))
    assert (one.floor, two.floor) == (5, 3)
    assert one.free == 5  # two has two of its own, and lacks one of the two that are shared
    assert two.offer(A, 9, DomainTime(0)) == (6, 7, 4), "its own before shared ones"
    assert one.free == 5


def test_label_can_be_promised_no_more_than_nobody_can_take() -> None:
    one, two = shared(4, 2)
    assert not one.keep(A, 3) and one.keep(A, 2) and two.keep(A, 2) and not two.keep(B, 1)


@given(st.lists(st.tuples(st.integers(0, 2), USES, st.integers(0, 8)), max_size=60))
def test_no_link_ever_lacks_its_floor_but_by_its_own_use(steps: list[tuple[int, str, int]]) -> None:
    pools = shared(9, 3)
    for which, what, number in steps:
        memories, qubit = pools[which], QubitId(number)
        match what:
            case "offer":
                memories.offer(A, number, DomainTime(0))
            case "fill" if memories.census()[Place.OFFERED]:
                offered = [m.qubit for m in memories if m.user is memories and m.place is Place.OFFERED]
                memories.fill(offered[0], number)
            case "back":
                memories.give_back(qubit)
            case "withdraw":
                memories.withdraw([qubit])
            case "empty":
                memories.empty([qubit])
            case "emptied":
                memories.emptied([qubit])
        used = [sum(1 for m in pool if m.user is pool) for pool in pools]
        assert sum(used) + len([m for m in pools[0] if m.user is None]) == 9
        for pool, own in zip(pools, used, strict=True):
            assert own + len([m for m in pool if m.user is None]) >= pool.floor
