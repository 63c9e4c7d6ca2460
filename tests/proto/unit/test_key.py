"""Keys from rounds: both ends compute the same, and what is told reveals nothing of what is kept."""

from hypothesis import given
from hypothesis import strategies as st

from qstack.base.chance import Chance
from qstack.proto.unit.key import KeyPlan, bits_to_octets, flag_octets, flags_of, rounds_needed
from qstack.proto.unit.params import PAD_BITS
from qstack.quantum.bell import disagrees

SECRET = bytes(range(32))


def measured(
    plan: KeyPlan, rounds: int, *, errors: frozenset[int] = frozenset()
) -> tuple[dict[int, int], dict[int, int]]:
    """Shared bits that head and tail compute from ideal pairs in every frame."""
    chance = Chance(b"rounds")
    head, tail = {}, {}
    for number in range(rounds):
        frame, seen = number % 4, chance.integer(number.to_bytes(4, "big"), 1)
        other = seen ^ disagrees(frame, plan.basis(number)) ^ (number in errors)
        head[number] = plan.shared_outcome(number, seen, frame, head=True)
        tail[number] = plan.shared_outcome(number, other, frame, head=False)
    return head, tail


@given(size=st.integers(1, 600), one_in=st.sampled_from([0, 2, 5, 8]))
def test_key_ideal_pairs_in_every_frame_give_both_ends_the_same_key(size: int, one_in: int) -> None:
    plan = KeyPlan(SECRET, size, one_in)
    head, tail = measured(plan, rounds_needed(size, one_in))
    assert not plan.needed(head)
    ours, theirs = plan.raw(head), plan.raw(tail)
    assert ours is not None and ours == theirs
    assert len(ours.key) == -(-size // 8) and len(ours.pad) == PAD_BITS // 8
    assert plan.agrees(theirs, plan.tag(ours))


def test_key_one_wrong_bit_fails_confirmation_whether_in_key_or_pad() -> None:
    plan = KeyPlan(SECRET, 64, 8)
    rounds = rounds_needed(64, 8)
    kept = [number for number in range(rounds) if not plan.is_test(number)][: 64 + PAD_BITS]
    for wrong in kept:
        head, tail = measured(plan, rounds, errors=frozenset({wrong}))
        ours, theirs = plan.raw(head), plan.raw(tail)
        assert ours is not None and theirs is not None
        assert not plan.agrees(theirs, plan.tag(ours)), wrong


def test_key_exactly_one_test_in_each_block_and_at_changing_places() -> None:
    plan = KeyPlan(SECRET, 8, 8)
    places = [[n % 8 for n in range(block, block + 8) if plan.is_test(n)] for block in range(0, 800, 8)]
    assert all(len(place) == 1 for place in places)
    assert len({place[0] for place in places}) == 8


def test_key_bases_are_about_half_x_and_differ_between_secrets() -> None:
    bases = [KeyPlan(SECRET, 8, 8).basis(n) for n in range(4096)]
    assert 1900 < sum(bases) < 2200
    assert bases != [KeyPlan(bytes(32), 8, 8).basis(n) for n in range(4096)]


def test_key_too_few_rounds_make_no_key() -> None:
    plan = KeyPlan(SECRET, 256, 8)
    head, _ = measured(plan, 256)
    assert plan.needed(head) and plan.raw(head) is None


@given(st.sets(st.integers(0, 4000), max_size=300))
def test_key_flags_tell_the_rounds_that_are_present(numbers: set[int]) -> None:
    first, count, octets = flags_of(numbers)
    assert {first + place for place, bit in enumerate(flag_octets(octets, count)) if bit} == numbers


def test_key_bits_are_packed_most_significant_first() -> None:
    assert bits_to_octets([1, 0, 1]) == b"\xa0"
    assert bits_to_octets([]) == b""
    assert flag_octets(b"\xa0", 3) == [1, 0, 1]
    assert flag_octets(b"", 3) == [0, 0, 0]
