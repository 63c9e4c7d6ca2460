"""The control socket between processes, here between tasks."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from qstack.base.errors import LocalMisuse, WireError
from qstack.io import frames
from qstack.io.frames import Connection, open_control, serve_control


async def echo(connection: Connection) -> None:
    """Give back what comes, frames and lines alike."""
    while (json := await connection.speaks_json()) is not None:
        if json:
            await connection.send_line(await connection.receive_line() or b"{}")
        else:
            await connection.send_frame(await connection.receive_frame() or b"?")


@asynccontextmanager
async def serving(path: Path, on_client: object = echo, mode: int = 0o600) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, mode, on_client)
        yield nursery
        nursery.cancel_scope.cancel()


async def test_connection_frames_and_lines_alternate_on_one_stream(tmp_path: Path) -> None:
    async with serving(tmp_path / "s"), await open_control(tmp_path / "s") as connection:
        await connection.send_frame(b"\x01abc")
        assert await connection.receive_frame() == b"\x01abc"
        await connection.send_line(b'{"request":"status"}')
        assert await connection.receive_line() == b'{"request":"status"}'
        await connection.send_frame(b"x" * 0x3FFF)
        assert await connection.receive_frame() == b"x" * 0x3FFF


async def test_connection_credentials_are_those_of_the_kernel(tmp_path: Path) -> None:
    seen = []

    async def look(connection: Connection) -> None:
        seen.append(connection.credentials)
        await connection.send_frame(b"done")

    async with serving(tmp_path / "s", look), await open_control(tmp_path / "s") as connection:
        await connection.receive_frame()
    assert [(each.pid, each.uid, each.gid) for each in seen] == [(os.getpid(), os.getuid(), os.getgid())]


async def test_server_bad_octets_of_one_client_leave_the_others_alone(tmp_path: Path) -> None:
    async with serving(tmp_path / "s"), await open_control(tmp_path / "s") as good:
        for octets in (b"\xff\xff\xff", b"\x00\x00", b"{" + b"x" * 70_000, b"\x00\x05ab"):
            async with await trio.open_unix_socket(tmp_path / "s") as bad:
                await bad.send_all(octets)
                await bad.send_eof()
                with suppress(trio.BrokenResourceError):  # it need not have read all of it
                    assert await bad.receive_some() == b""
        await good.send_frame(b"still here")
        assert await good.receive_frame() == b"still here"


async def test_server_client_that_vanishes_in_mid_answer_leaves_the_others_alone(tmp_path: Path) -> None:
    async def flood(connection: Connection) -> None:
        await connection.receive_frame()
        while True:
            await connection.send_frame(bytes(0x3FFF))

    async with serving(tmp_path / "s", flood):
        for _ in range(2):
            async with await open_control(tmp_path / "s") as connection:
                await connection.send_frame(b"go")
                assert await connection.receive_frame() == bytes(0x3FFF)


async def test_server_fault_of_its_own_is_not_hidden(tmp_path: Path) -> None:
    async def broken(connection: Connection) -> None:
        raise AssertionError("our bug")

    with pytest.raises(BaseExceptionGroup) as caught:
        async with serving(tmp_path / "s", broken), await open_control(tmp_path / "s"):
            await trio.sleep_forever()
    assert caught.group_contains(AssertionError, match="our bug")


async def test_server_file_has_the_mode_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "new" / "s"
    async with serving(path, mode=0o640):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not path.exists()


async def test_server_replaces_a_socket_that_nobody_serves(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(LocalMisuse, match="left its socket behind"):
        await open_control(path)
    async with serving(path), await open_control(path):
        pass


async def test_client_of_what_is_no_stream_socket_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as device:
        device.bind(str(tmp_path / "device"))
        device.listen()
        for name in (".", "plain", "device"):
            with pytest.raises(LocalMisuse, match="no control socket"):
                await open_control(tmp_path / name)


async def test_server_refuses_to_displace_another_and_leaves_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with serving(path):
        with pytest.raises(LocalMisuse, match="another daemon serves"):
            await serve_control(path, 0o600, echo)
        async with await open_control(path):
            pass


async def test_server_refuses_to_displace_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(LocalMisuse, match="is no socket"):
        await serve_control(path, 0o600, echo)
    assert path.read_text() == "precious"


async def test_server_bounds_the_connections_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "CONNECTIONS_A_USER", 2)

    async def admitted() -> Connection | None:
        connection = await open_control(tmp_path / "s")
        with suppress(trio.BrokenResourceError):
            await connection.send_frame(b"in")
            if await connection.receive_frame() == b"in":
                return connection
        await connection.aclose()
        return None

    async with serving(tmp_path / "s"):
        first, second = await admitted(), await admitted()
        assert first is not None and second is not None
        assert await admitted() is None
        await first.aclose()
        while (third := await admitted()) is None:  # free as soon as the server has seen the end
            pass
        await second.aclose()
        await third.aclose()


async def test_connection_that_expected_the_other_language_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path / "s"), await open_control(tmp_path / "s") as connection:
        await connection.send_line(b"{}")
        with pytest.raises(WireError, match="is a line"):
            await connection.receive_frame()
