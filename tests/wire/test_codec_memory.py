"""No input makes the codec keep memory, on no way out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from qstack.base.errors import LocalMisuse, WireError
from qstack.wire.value import UnknownTlv, decode_message_untrusted
from tests.wire.test_codec import LISTS
from tests.wire.zoo import ZOO, Basket, Bits, Colour, Crate, EmptyTlv, FruitTlv, Lists, Named, Pair, Parcel, ParcelTlv

CRATE = bytes.fromhex("01 0002" "00000000000000ff" + LISTS + "0000" "02 0000 0004 00010000")
BASKET = bytes.fromhex("09 000e 0005 0006 00000101 0002 0007 0000 1234 7fff 0003 616263 ffff 0000")
PARCEL = bytes.fromhex("c8 fff0000000000001 9c40 12 80000701 02 0001 0003 0001 0003 026869")


def cut_short(octets: bytes, decode: Callable[[bytes], object]) -> Callable[[], None]:
    """Decode every beginning of `octets`: each leaves a value half made at another place."""

    def run() -> None:
        for end in range(len(octets) + 1):
            with suppress(WireError):
                decode(octets[:end])

    return run


def flipped(octets: bytes, decode: Callable[[bytes], object]) -> Callable[[], None]:
    def run() -> None:
        for at in range(len(octets)):
            for bit in (0x80, 0x01):
                with suppress(WireError):
                    decode(octets[:at] + bytes((octets[at] ^ bit,)) + octets[at + 1 :])

    return run


def misuse() -> None:
    for make in (
        lambda: Pair(left=1, right=70_000),
        lambda: Pair(right=1),
        lambda: Pair(left=1, wrong=2),
        lambda: Pair(left=1).replace(right=1 << 70),
        lambda: Basket(size=1, tail=2, outer=(EmptyTlv(), ParcelTlv(note="x"))),
        lambda: Basket(size=1, tail=2, inner=(UnknownTlv(code=9, value=bytes(0x10000)),)).encode(),
    ):
        with pytest.raises(LocalMisuse):
            make()


def use() -> None:
    crate, parcel = Crate.decode_untrusted(CRATE), Parcel.decode_untrusted(PARCEL)
    assert crate.encode() == CRATE
    assert parcel.encode() == PARCEL
    assert (hash(crate), crate, repr(parcel)) == (hash(Crate.decode_untrusted(CRATE)), crate.replace(), repr(parcel))
    long = Lists(blob=b"x", pairs=(Pair(left=3),) * 500, long=bytes(5000))
    assert Lists.decode_untrusted(long.encode()) == long


def cases() -> Iterator[tuple[str, Callable[[], None]]]:
    for name, octets, decode in (
        ("crate", CRATE, Crate.decode_untrusted),
        ("basket", BASKET, Basket.decode_untrusted),
        ("parcel", PARCEL, lambda data: decode_message_untrusted(ZOO, data)),
        ("bits", bytes(29), Bits.decode_untrusted),
    ):
        yield f"{name}-cut", cut_short(octets, decode)
        yield f"{name}-flipped", flipped(octets, decode)
    yield "misuse", misuse
    yield "use", use


def blocks_kept(run: Callable[[], None], times: int) -> int:
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(times):
        run()
    gc.collect()
    return sys.getallocatedblocks() - before


@pytest.mark.parametrize(("name", "run"), list(cases()), ids=lambda found: found if isinstance(found, str) else "")
def test_memory_after_many_runs_is_what_it_was(name: str, run: Callable[[], None]) -> None:
    run()
    run()
    # A leak of one object a run would show as 40 blocks or more; free lists and caches move a few.
    assert min(blocks_kept(run, 40) for _ in range(3)) < 20, name


def test_references_of_shared_objects_are_given_back() -> None:
    shared = [Colour.FAR, Named, ParcelTlv, FruitTlv, Basket, EmptyTlv, Basket.LAYOUT, Parcel]
    data = [PARCEL, BASKET]

    def run() -> None:
        for octets in data:
            for end in range(len(octets) + 1):
                for decode in (Parcel.decode_untrusted, Basket.decode_untrusted):
                    with suppress(WireError):
                        decode(octets[:end]).encode()

    run()
    before = [sys.getrefcount(thing) for thing in shared]
    for _ in range(20):
        run()
    assert [sys.getrefcount(thing) for thing in shared] == before
