"""The stream of a control socket, in any pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstack.base.errors import LocalMisuse, WireError
from qstack.io.framing import MAXIMUM_LINE, Frame, Framing, Line, connect_blocking, encode_frame, encode_line
from qstack.wire.control import MAXIMUM_FRAME

things = st.one_of(
    st.builds(Frame, st.binary(min_size=1, max_size=300)),
    st.builds(lambda text: Line(b"{" + text.replace(b"\n", b"") + b"}"), st.binary(max_size=300)),
)


def encoded(thing: Frame | Line) -> bytes:
    return encode_frame(thing.payload) if isinstance(thing, Frame) else encode_line(thing.text)


def drained(framing: Framing) -> list[Frame | Line]:
    return list(iter(framing.next, None))  # type: ignore[arg-type]


@given(st.lists(things, max_size=8), st.lists(st.integers(0, 2500), max_size=10))
def test_framing_stream_cut_anywhere_gives_what_was_sent(sent: list[Frame | Line], cuts: list[int]) -> None:
    stream = b"".join(map(encoded, sent))
    framing, found = Framing(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        framing.feed(stream[start:end])
        found += drained(framing)
    assert found == sent
    assert framing.empty


@given(st.binary(max_size=200))
def test_framing_any_octets_are_divided_or_refused_with_wire_error(octets: bytes) -> None:
    whole, piecewise = Framing(), Framing()
    results = []
    for framing, pieces in ((whole, [octets]), (piecewise, [octets[n : n + 1] for n in range(len(octets))])):
        found: list[Frame | Line | str] = []
        try:
            for piece in pieces:
                framing.feed(piece)
                found += drained(framing)
        except WireError as error:
            found.append(error.field)
        results.append(found)
    assert results[0][: len(results[1])] == results[1][: len(results[0])]


@pytest.mark.parametrize("length", [0, MAXIMUM_FRAME + 1, 0x7AFF, 0xFFFF])
def test_framing_length_that_cannot_be_is_refused(length: int) -> None:
    framing = Framing()
    framing.feed(length.to_bytes(2, "big") + bytes(10))
    with pytest.raises(WireError, match=f"{length} is not in 1..16383"):
        framing.next()


def test_framing_line_that_never_ends_is_refused_at_the_limit() -> None:
    framing = Framing()
    framing.feed(b"{" + bytes(MAXIMUM_LINE - 1))
    assert framing.next() is None
    framing.feed(b"x")
    with pytest.raises(WireError, match="longer than 65536"):
        framing.next()


@pytest.mark.parametrize("payload", [b"", bytes(MAXIMUM_FRAME + 1)])
def test_frame_that_does_not_fit_is_refused_at_its_source(payload: bytes) -> None:
    with pytest.raises(LocalMisuse):
        encode_frame(payload)


def test_connect_where_no_daemon_is_names_the_socket_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LocalMisuse, match=r"no daemon at .*gone\.sock: start qstackd.*--socket"):
        connect_blocking(tmp_path / "gone.sock")
