"""The blocking form, in a thread."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from qstack.base.errors import LocalMisuse
from qstack.sockets import ConnectionLost, EndpointRefused, UnitFailed
from qstack.sockets.blocking import open_node
from tests.sockets.daemon import FORBIDDEN, HERE, KEY, LIFECYCLE, PAIRS, SERVED, THERE, FakeNode, serving

UNIT = [HERE, THERE, LIFECYCLE]


async def run(work, path: Path, fake: FakeNode | None = None) -> None:  # type: ignore[no-untyped-def]
    async with serving(path, fake or FakeNode()):
        await trio.to_thread.run_sync(work, path)


async def test_blocking_key_unit_gives_both_the_same_key(tmp_path: Path) -> None:
    def work(path: Path) -> None:
        with open_node(path) as here, open_node(path) as there:
            there.claim(SERVED)
            with here.open_unit(UNIT) as unit:
                assert unit.key(5).octets == KEY
            assert there.next_unit(5).key(5).octets == KEY

    await run(work, tmp_path / "s")


async def test_blocking_pairs_agree_once_one_end_takes_the_frame(tmp_path: Path) -> None:
    def work(path: Path) -> None:
        with open_node(path) as here, open_node(path) as there:
            incoming = there.listen(SERVED, timeout=5)
            there.claim(SERVED)
            ours = here.open_unit([HERE, THERE, PAIRS], "pairs")
            theirs = next(incoming)
            near = ours.measure_all(ours.pairs(), ["X", "Z", "X", "Z"])
            far = [theirs.measure(pair, basis) for pair, basis in zip(theirs.pairs(4, 5), "XZXZ", strict=True)]
            assert [each.outcome for each in near] == [each.in_frame for each in far]
            ours.pairs(0)
            ours.close()
            theirs.wait_closed(5)

    await run(work, tmp_path / "s")


async def test_blocking_wait_that_takes_too_long_times_out(tmp_path: Path) -> None:
    def work(path: Path) -> None:
        with open_node(path) as node:
            node.claim(SERVED)
            with pytest.raises(TimeoutError, match="in time"):
                node.next_unit(timeout=0.01)
            node.claim("urn:qkd:b:more")  # the connection is as good as before

    await run(work, tmp_path / "s")


async def test_blocking_errors_are_those_of_the_trio_form(tmp_path: Path) -> None:
    def work(path: Path) -> None:
        with open_node(path) as node:
            with pytest.raises(EndpointRefused):
                node.claim(FORBIDDEN)
            with pytest.raises(UnitFailed):
                node.open_unit(UNIT).key()
            with pytest.raises(LocalMisuse, match="X, Y and Z"):
                node.open_unit(UNIT).measure_all([], ["W"])

    await run(work, tmp_path / "s")


async def test_blocking_daemon_that_goes_away_is_told(tmp_path: Path) -> None:
    async def hang_up(connection: object) -> None:
        del connection

    fake = FakeNode()
    fake.serve = hang_up  # type: ignore[method-assign,assignment]

    def work(path: Path) -> None:
        with open_node(path) as node, pytest.raises(ConnectionLost):
            node.claim(SERVED)

    await run(work, tmp_path / "s", fake)


WRONG_UNITS = [
    ([HERE, THERE], "2 URNs"),
    (HERE, "a list of URNs"),
    ([HERE, THERE, b"urn:qkd:lifecycle"], "each a str"),
    ([HERE, "qkd:b", LIFECYCLE], "'qkd:b': octet 0"),
]


@pytest.mark.parametrize(("urns", "told"), WRONG_UNITS)
async def test_blocking_unit_wrongly_named_is_told_before_the_node_is_asked(urns, told: str, tmp_path: Path) -> None:
    def work(path: Path) -> None:
        with open_node(path) as node, pytest.raises(LocalMisuse, match=told):
            node.open_unit(urns)

    await run(work, tmp_path / "s")


async def test_blocking_fewer_bases_than_pairs_are_refused(tmp_path: Path) -> None:
    def work(path: Path) -> None:
        with open_node(path) as node, open_node(path) as there:
            there.claim(SERVED)
            unit = node.open_unit([HERE, THERE, PAIRS], "pairs")
            assert "with" in repr(unit)
            with pytest.raises(LocalMisuse, match="1 pairs and 0 bases"):
                unit.measure_all([unit.pair(5)], [])

    await run(work, tmp_path / "s")
