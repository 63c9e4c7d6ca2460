"""What operators see of a daemon, here one that exists in its replies only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from qstack.cli.qstackctl import main
from qstack.control.replies import PingReply, WaitReply, decode_reply_untrusted
from tests.control.daemon import NEAR, FakeDaemon, serving

Ask = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


async def asked(
    daemon: FakeDaemon, folder: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command against the daemon."""
    path = folder / "s"
    async with serving(path, daemon):
        code = await trio.to_thread.run_sync(partial(main, ["--socket", str(path), *words]))
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("status", ["64512.1 (alice)", "starting", "1 of 2 up", "qtwind.sock", "within 1 ms"]),
        ("neighbours", ["64512.2  yes  reachable", "127.0.0.12:4560", "memory,swap", "64512.3  no   incomplete"]),
        ("sessions", ["64512.2  hop", "established", "abababababababab"]),
        ("links", ["64512.2    yes", "30", "2.5", "0.9800 (0.965..0.991)", "2 (1 stock)", "0.9500", "1m01s",
                   "HERALDS FOR", "64512.2,64512.3", "connected", "4/10"]),
        ("memories", ["purpose 7 of user 1000", "Psi+", "0.9700", "0.2s", "circuit 1a", "free"]),
        ("circuits", ["64512.1/1  head", "open", "448", "1.0000"]),
        ("units", ["00ab", "measuring", "urn:qkd:a?=nonce=1", "urn:qkd:lifecycle?=size=256", "1000"]),
        ("counters", ["unit.started", "datagrams.received     20"]),
    ],
)
async def test_look_as_table_and_as_json(
    name: str, shown: list[str], daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = await asked(daemon, tmp_path, capsys, name)
    assert (code, err) == (0, "")
    assert [text for text in shown if text not in out] == []
    for words in (["--json", name], [name, "--json"]):
        code, out, _ = await asked(daemon, tmp_path, capsys, *words)
        assert code == 0
        assert decode_reply_untrusted(out.strip().encode()) == getattr(daemon, name)()


async def test_look_at_nothing_says_so(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.near, daemon.live_units, daemon.figures = (), (), {}
    for name, text in (("neighbours", "no neighbours"), ("units", "no units"), ("counters", "nothing has been")):
        code, out, _ = await asked(daemon, tmp_path, capsys, name)
        assert code == 0
        assert text in out


async def test_table_columns_are_aligned(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.figures = {"a.long_name_of_a_counter": 5, "b": 123_456}
    _, out, _ = await asked(daemon, tmp_path, capsys, "counters")
    lines = out.splitlines()
    assert len({len(line) for line in lines}) == 1  # numbers stand to the right
    assert lines[0].split() == ["COUNTER", "VALUE"]


async def test_ping_tells_each_answer_and_all_together(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.lost = {1}
    words = ["ping", "64513.2", "--count", "3", "--interval", "0.01", "--timeout", "0.01"]
    code, out, _ = await asked(daemon, tmp_path, capsys, *words)
    assert code == 0
    assert out.splitlines() == [
        "64513.2: sequence 0, 0.001 ms",
        "64513.2: sequence 1, TIMEOUT: no answer",
        "64513.2: sequence 2, 0.003 ms",
        "64513.2: 2 of 3 answered, 0.001/0.002/0.003 ms least/mean/most",
    ]
    _, out, _ = await asked(daemon, tmp_path, capsys, *words, "--json")
    replies = [decode_reply_untrusted(line.encode()) for line in out.splitlines()]
    assert len(replies) == 4
    assert isinstance(replies[-1], PingReply)


async def test_ping_without_any_answer_fails(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.lost = {0}
    code, out, _ = await asked(daemon, tmp_path, capsys, "ping", "64513.2", "--count", "1", "--timeout", "0.01")
    assert code == 1
    assert "0 of 1 answered" in out


async def test_wait_is_silent_when_conditions_hold_and_tells_what_is_missing(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked(daemon, tmp_path, capsys, "wait", "neighbours>=1") == (0, "", "")
    code, out, err = await asked(daemon, tmp_path, capsys, "wait", "ready", "neighbours>=1", "--timeout", "0.05")
    assert (code, out) == (1, "")
    assert err == "after 0.05 s not yet: ready\n"
    code, out, _ = await asked(daemon, tmp_path, capsys, "--json", "wait", "ready", "--timeout", "0")
    reply = decode_reply_untrusted(out.strip().encode())
    assert code == 1
    assert isinstance(reply, WaitReply)
    assert reply.missing == ("ready",)


async def test_wait_returns_as_soon_as_it_is_true(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def connect() -> None:
        await daemon.looked.wait()
        daemon.near = (NEAR, replace(NEAR, node="64512.3"))
        daemon.tell_change()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(connect)
        assert (await asked(daemon, tmp_path, capsys, "wait", "connected", "--timeout", "60"))[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["wait", "redy"], "'redy' is no condition: there are ready, connected"),
        (["ping", "bob"], "write AS.NODE"),
        (["ping", "64512.2", "--count", "0"], ">= 1"),
        (["reload"], "[control] admins"),
        (["stop"], "[control] admins"),
    ],
)
async def test_refusal_is_one_line_that_names_daemon_cause_and_remedy(
    words: list[str], told: str, daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = await asked(daemon, tmp_path, capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith(f"qstackctl: the daemon at {tmp_path / 's'} refuses: ")
    assert told in err
    assert err.count("\n") == 1


async def test_admin_reloads_and_stops(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.admins = {os.getuid()}
    assert (await asked(daemon, tmp_path, capsys, "reload"))[:2] == (0, "the configuration is in force\n")
    assert (await asked(daemon, tmp_path, capsys, "stop"))[:2] == (0, "stopping\n")
    assert daemon.stopped


def test_daemon_that_is_not_there_is_named_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QSTACK_SOCKET", str(tmp_path / "gone.sock"))
    assert main(["status"]) == 1
    assert re.search(r"no daemon at .*gone\.sock: start qstackd.*--socket, QSTACK_SOCKET", capsys.readouterr().err)


@pytest.mark.parametrize("words", [[], ["statuz"], ["ping"], ["wait"], ["ping", "1.1", "--count", "many"]])
def test_wrong_command_line_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: qstackctl" in capsys.readouterr().err
