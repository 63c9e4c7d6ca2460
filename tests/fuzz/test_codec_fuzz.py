"""A short run of the fuzzer: the same cases every time. `tools/fuzz` runs others, for as long as it is told."""

from __future__ import annotations

import pytest

from qstack.base.errors import WireError
from qstack.wire.header import EndHeader, Header
from qstack.wire.protocols import Protocol
from tests.fuzz import codec
from tests.vectors.reading import Vector, vectors
from tests.wire.agreement import check_message, check_prefix, outcome

CASES = 20_000


def test_fuzz_cases_all_keep_the_invariant() -> None:
    for number in range(CASES):
        try:
            codec.run_case(1, number)
        except Exception as error:
            pytest.fail(f"tools/fuzz --seed 1 --first {number} --cases 1: {error!r}")


def test_fuzz_cases_reach_both_ends() -> None:
    """Some cases still decode, most do not, and all kinds of damage occur: else the run would show nothing."""
    judged = [codec.case_octets(1, number) for number in range(2_000)]
    found = [outcome(lambda cls=vector.cls, octets=octets: cls.decode_untrusted(octets)) for vector, octets in judged]
    refused = sum(isinstance(value, WireError) for value in found)
    assert 0.2 < refused / len(found) < 0.95
    assert len({error.field for error in found if isinstance(error, WireError)}) > 40


def test_fuzz_case_is_the_same_again() -> None:
    assert codec.case_octets(7, 3) == codec.case_octets(7, 3)
    assert len({codec.case_octets(7, number)[1] for number in range(100)}) > 60


@pytest.mark.parametrize("vector", list(vectors()), ids=lambda vector: vector.name)
def test_vector_cut_at_every_octet_keeps_the_invariant(vector: Vector) -> None:
    for end in range(len(vector.octets)):
        check_prefix(vector.cls, vector.octets, 0, end)


def test_one_octet_in_every_protocol_keeps_the_invariant() -> None:
    for protocol in [*Protocol, 200]:
        for code in range(256):
            check_message(protocol, bytes((code,)))


def test_zeros_and_ones_of_every_length_keep_the_invariant() -> None:
    for octet in (b"\x00", b"\xff", b"\x10"):
        for length in range(120):
            check_prefix(Header, octet * length, 0, length)
            check_prefix(EndHeader, octet * length, 0, length)
            codec.read_datagram(octet * length)
