"""tshark with the generated plugin against the codec: the same values, the same refusals, links, and no Lua error."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from qstack.dissect.capture import UdpDatagram, write_capture
from qstack.dissect.plugin import install_plugin
from qstack.dissect.sample import ALICE, BOB, Chance, datagrams, seal, unsealed, value
from qstack.wire.header import EndHeader, Header
from qstack.wire.protocols import UDP_PORT, Protocol
from qstack.wire.qarp import Answer, Question
from qstack.wire.unit import UnitAccept, UnitRequest
from qstack.wire.value import Message, Tlv, UnknownTlv
from tests.dissect.agreement import Shown, decode_datagram, is_refused, shown_datagram, shown_fields, shown_tlv
from tests.vectors.reading import Vector, vectors

pytestmark = pytest.mark.timeout(300)

A, B, C = (bytes((192, 0, 2, last)) for last in (1, 2, 3))
GENERATED_ITEMS = {"qstack.qna", "qstack.as", "qstack.message", "qstack.request_in", "qstack.response_in",
                   "qstack.response_time", "_ws.lua.fake"}  # fmt: skip
REFUSALS = ("qstack.malformed", "qstack.truncated", "qstack.reserved_set", "qstack.unknown_message")


class Tshark(NamedTuple):
    """tshark with the plugin of this tree and none of the user's own settings."""

    program: str
    plugin: Path
    folder: Path

    def run(self, *arguments: str | Path) -> str:
        """Standard output; whatever it says on standard error must not be of Lua."""
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        command = [self.program, "-X", f"lua_script:{self.plugin}", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environment)
        assert done.returncode == 0, done.stderr
        assert "lua" not in done.stderr.lower(), done.stderr
        return done.stdout

    def fields(self, capture: Path, *names: str, options: tuple[str, ...] = ()) -> list[list[str]]:
        """The values of fields, one list a packet."""
        wanted = [word for name in names for word in ("-e", name)]
        table = self.run("-r", capture, "-T", "fields", "-E", "separator=/t", *options, *wanted)
        return [line.split("\t") for line in table.splitlines()]

    def trees(self, capture: Path, *options: str) -> list[list[tuple[str, str]]]:
        """For each packet the values of our protocol, in the order of the tree."""
        packets = json.loads(
            self.run("-r", capture, "-T", "json", "-J", "qstack", *options), object_pairs_hook=lambda pairs: pairs
        )
        return [list(leaves(child(child(child(packet, "_source"), "layers"), "qstack"))) for packet in packets]


def child(pairs: list[tuple[str, Any]], name: str) -> Any:
    return next(inner for key, inner in pairs if key == name)


def leaves(pairs: list[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    for key, inner in pairs:
        if isinstance(inner, list):
            yield from leaves(inner)
        elif key not in GENERATED_ITEMS:
            yield key, inner


@pytest.fixture(scope="session")
def shark(tshark: str, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Tshark:
    return Tshark(tshark, root / "pcap" / "qstack.lua", tmp_path_factory.mktemp("home"))


Writer = Callable[..., Path]


@pytest.fixture
def written(tmp_path: Path) -> Writer:
    """Write datagrams, given alone (from A to B) or as (source, destination, datagram), a millisecond apart."""

    def write(*found: bytes | tuple[bytes, bytes, bytes], port: int = UDP_PORT) -> Path:
        path = tmp_path / "written.pcapng"
        triples = [entry if isinstance(entry, tuple) else (A, B, entry) for entry in found]
        write_capture(path, (UdpDatagram(frame, 1e9 + frame / 1000, (source, port), (destination, port), octets)
                             for frame, (source, destination, octets) in enumerate(triples, 1)))  # fmt: skip
        return path

    return write


def agrees(expected: Any, shown: str) -> bool:
    match expected:
        case bool():
            return shown == str(int(expected))
        case int():
            return int(shown, 0) == expected
        case float():
            return round(float(shown) * 65535) == round(expected * 65535)
        case bytes() if type(expected) is not bytes:  # an address
            return shown == str(ip_address(bytes(expected)))
        case bytes():
            return shown == expected.hex(":")
        case _:
            return shown == str(expected)


def assert_tree(name: str, tree: list[tuple[str, str]], expected: list[Shown]) -> None:
    for (key, shown), wanted in zip(tree, expected, strict=False):
        assert key in wanted.filters, f"{name}: {key} where {wanted} is expected"
        assert agrees(wanted.value, shown), f"{name}: {key} is shown as {shown}, the codec has {wanted.value!r}"
    assert len(tree) == len(expected), f"{name}: {tree[len(expected):]} {expected[len(tree):]}"


@pytest.mark.parametrize("wild", [False, True])
def test_tshark_shows_every_message_with_the_values_of_the_codec(shark: Tshark, written: Writer, wild: bool) -> None:
    found = [datagram for seed in range(1 + 5 * wild) for datagram in datagrams(f"tshark {seed}", wild=wild)]
    trees = shark.trees(written(*(datagram.octets for datagram in found)))
    assert len(trees) == len(found)
    for datagram, tree in zip(found, trees, strict=True):
        plain = [leaf for leaf in tree if not leaf[0].startswith(("_ws.", "qstack.unknown"))]
        assert_tree(datagram.name, plain, list(shown_datagram(decode_datagram(datagram.octets))))


def test_tshark_names_protocol_and_message_of_every_packet(shark: Tshark, root: Path) -> None:
    rows = shark.fields(root / "pcap" / "samples.pcapng", "_ws.col.Protocol", "_ws.col.Info", "_ws.expert")
    found = list(datagrams("samples"))
    assert len(rows) == len(found)
    for datagram, (protocol, info, expert) in zip(found, rows, strict=True):
        decoded = decode_datagram(datagram.octets)
        assert (protocol, expert) == ("QSTACK", "")
        ends = "64512.1 -> 64513.2" if datagram.source == ALICE else "64513.2 -> 64512.1"
        if decoded.message is not None:
            assert info == f"{decoded.message.PROTOCOL.name} {decoded.message.NAME} {ends}"
        else:
            assert info.endswith((f"encrypted {ends}", f"HEADER acknowledgement {ends}"))


def test_tshark_filters_by_urn_address_and_number(shark: Tshark, root: Path) -> None:
    capture = root / "pcap" / "samples.pcapng"

    def matches(display_filter: str) -> int:
        return len(shark.fields(capture, "frame.number", options=("-Y", display_filter)))

    everything = len(list(datagrams("samples")))
    assert matches('qstack.unit.urn contains "urn:qkd:"') == 2  # under the hop seal and under the end seal
    assert matches('qstack.source == "64512.1"') + matches('qstack.source == "64513.2"') == everything
    assert matches("qstack.as == 64512") == everything
    assert matches('qstack.message == "Gen"') == matches("qstack.link.message_code == 7") == 1
    assert matches("qstack.flags.encrypted == 1 || qstack.end.flags.encrypted == 1") == matches("qstack.ciphertext")
    assert matches("qstack.unit.min_fidelity > 0.5") == 2
    assert matches("qstack.malformed || _ws.malformed || _ws.lua.error") == 0


def mutated(seed: int, count: int) -> Iterator[bytes]:
    """Datagrams with octets changed, cut off, added or moved, and some that are noise."""
    chance = random.Random(seed)
    originals = [datagram.octets for datagram in datagrams(f"mutated {seed}", wild=True)]
    for _ in range(count):
        octets = bytearray(chance.choice(originals))
        for _ in range(chance.randint(0, 4)):
            octets[chance.randrange(len(octets))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        match chance.randrange(8):
            case 0:
                octets = octets[: chance.randint(1, len(octets))]
            case 1:
                octets += chance.randbytes(chance.randint(1, 40))
            case 2:
                octets = bytearray(chance.randbytes(chance.randint(1, 90)))
        if chance.random() < 0.6 and len(octets) > 6:  # get past the check of the length
            octets[0:1], octets[4:6] = b"\x12", len(octets).to_bytes(2, "big")
        yield bytes(octets)


def test_tshark_refuses_corrupted_packets_where_the_codec_does_and_never_fails(
    shark: Tshark, written: Writer
) -> None:
    found = list(mutated(4560, 4000))
    capture = written(*found)
    rows = shark.fields(capture, *REFUSALS, "qstack.failure", "_ws.lua.error", "_ws.expert.message")
    assert len(rows) == len(found)
    verdicts = [is_refused(octets) for octets in found]
    assert 1000 < sum(verdicts) < 3500, "the mutations are too mild or too rough to tell anything"
    for number, (octets, refused, row) in enumerate(zip(found, verdicts, rows, strict=True), 1):
        *refusals, failure, lua_error, expert = row
        assert not failure, (number, expert, octets.hex())
        assert not lua_error, (number, expert, octets.hex())
        assert any(refusals) == refused, (number, expert, octets.hex())
        assert bool(expert) or not refused


def test_tshark_says_what_is_wrong_with_a_packet(shark: Tshark, written: Writer) -> None:
    header = Header(next_protocol=Protocol.QARP, source=ALICE, destination=BOB)
    good = unsealed(value(Question, Chance("good")).replace(options=()), header)
    unknown = UnknownTlv(code=0x8FFF, value=b"x")
    cases = {
        "qstack.truncated": good[:-1][:4] + (len(good) - 1).to_bytes(2, "big") + good[6:-1],
        "qstack.malformed": good + b"one too many",
        "qstack.unknown_message": good[:40] + b"\xee" + good[41:],
        "qstack.unknown_critical_tlv": unsealed(
            value(Question, Chance("good")).replace(options=()), header.replace(options=(unknown,))
        ),
        "qstack.unsealed": unsealed(value(UnitAccept, Chance("bare")), header),
        "qstack.unknown_protocol": good[:1] + b"\x2a" + good[2:],
    }
    rows = shark.fields(written(*cases.values()), *cases, "_ws.expert.message")
    for position, (name, row) in enumerate(zip(cases, rows, strict=True)):
        assert row[position] == "1", (name, row)
        assert row[-1], name


def test_tshark_reserved_bits_that_are_set_are_expert_information(shark: Tshark, written: Writer) -> None:
    frame = next(d.octets for d in _with_quantum_payload())
    at = frame.index(bytes.fromhex("80020022")) + 4 + 8 + 2 + 1
    rows = shark.fields(written(frame, frame[:at] + bytes((frame[at] | 1,)) + frame[at + 1 :]), "qstack.reserved_set")
    assert rows == [[""], ["1"]]


def _with_quantum_payload() -> Iterator[Any]:
    for seed in range(20):
        for datagram in datagrams(f"hybrid {seed}", wild=True):
            if any(option.NAME == "QuantumPayloadTlv" for option in decode_datagram(datagram.octets).header.options):
                yield datagram


def test_tshark_shows_what_a_cut_capture_holds_and_says_that_it_is_cut(shark: Tshark, tmp_path: Path) -> None:
    found = [datagram.octets for datagram in datagrams("cut", wild=True)]
    path = tmp_path / "cut.pcap"
    kept = 28 + 60
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, kept, 101))
        for octets in found:
            udp = struct.pack(">HHHH", UDP_PORT, UDP_PORT, 8 + len(octets), 0)
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(octets), 0, 0, 64, 17, 0, A, B)
            packet = ip + udp + octets
            file.write(struct.pack("<IIII", 0, 0, len(packet[:kept]), len(packet)) + packet[:kept])
    rows = shark.fields(path, "qstack.cut", "qstack.malformed", "qstack.failure", "_ws.lua.error", "qstack.source")
    for octets, (cut, malformed, failure, lua_error, source) in zip(found, rows, strict=True):
        assert (cut == "1") == (len(octets) > 60)
        assert (malformed, failure, lua_error) == ("", "", "")
        assert source


def exchange(shark: Tshark, capture: Path) -> list[list[str]]:
    return shark.fields(capture, "qstack.request_in", "qstack.response_in", "qstack.response_time", options=("-2",))


def test_tshark_links_requests_and_answers_of_every_pair_of_messages(shark: Tshark, root: Path) -> None:
    rows = exchange(shark, root / "pcap" / "samples.pcapng")
    found = [decode_datagram(datagram.octets).message for datagram in datagrams("samples")]
    shown = {message.NAME for message in found if message is not None}
    for message, (request_in, _, response_time) in zip(found, rows, strict=True):
        if message is None or not any(name in shown for name in message.ANSWERS):  # a confidential one shows nobody
            assert request_in == ""
            continue
        assert request_in, message.NAME
        for number in request_in.split(","):
            assert is_answer(message, found[int(number) - 1])
        assert float(response_time.partition(",")[0]) > 0
    for position, ((_, response_in, _), message) in enumerate(zip(rows, found, strict=True)):
        later = found[position + 1 :]
        assert bool(response_in) == any(is_answer(other, message) for other in later), message


def is_answer(answer: Any, request: Any) -> bool:
    if answer is None or request is None or answer.PROTOCOL != request.PROTOCOL or request.NAME not in answer.ANSWERS:
        return False
    return all(getattr(answer, name) == getattr(request, name) for name in answer.MATCHED_BY)


def sealed(message: Any, source: int, destination: int, name: str) -> bytes:
    header = Header(next_protocol=message.PROTOCOL, source=source, destination=destination, epoch=7)
    return seal(message.encode(), header, Chance(name), encrypt=False)


def test_tshark_links_copies_of_a_forwarded_request_hop_by_hop(shark: Tshark, written: Writer) -> None:
    request = value(UnitRequest, Chance("request"))
    accept = value(UnitAccept, Chance("accept")).replace(request=request.request)
    asked, answered = sealed(request, ALICE, BOB, "asked"), sealed(accept, BOB, ALICE, "answered")
    stranger = sealed(accept, BOB + 1, ALICE, "other ends")
    capture = written((A, B, asked), (B, C, asked), (C, B, answered), (B, A, answered), (B, A, stranger))
    rows = exchange(shark, capture)
    assert [row[:2] for row in rows] == [["", "4"], ["", "3"], ["2", ""], ["1", ""], ["", ""]]
    assert [float(row[2]) for row in rows[2:4]] == pytest.approx([0.001, 0.003])


def test_tshark_links_a_question_to_all_with_the_answer_of_whoever_gives_it(shark: Tshark, written: Writer) -> None:
    question = value(Question, Chance("to all")).replace(target=BOB)
    answer = value(Answer, Chance("answer")).replace(nonce=question.nonce, target=BOB)
    header = Header(next_protocol=Protocol.QARP, source=ALICE, destination=0)
    group = bytes((224, 0, 0, 251))
    capture = written((A, group, unsealed(question, header)),
                      (B, A, unsealed(answer, header.replace(source=BOB, destination=ALICE))))  # fmt: skip
    assert [row[:2] for row in exchange(shark, capture)] == [["", "2"], ["1", ""]]


def test_tshark_heuristic_finds_datagrams_on_other_ports_and_leaves_others_alone(
    shark: Tshark, written: Writer
) -> None:
    ours = [datagram.octets for datagram in datagrams("elsewhere")]
    foreign = [octets[:4] + b"\xff\xff" + octets[6:] for octets in ours] + [b"\x10" + bytes(60), b"", b"\x12"]
    rows = shark.fields(written(*ours, *foreign, port=45999), "_ws.col.Protocol")
    assert [row == ["QSTACK"] for row in rows] == [True] * len(ours) + [False] * len(foreign)


def test_tshark_port_is_a_preference_that_counts(shark: Tshark, written: Writer) -> None:
    broken = [b"\x10 not a datagram"]

    def protocols(capture: Path, *options: str) -> list[list[str]]:
        return shark.fields(capture, "_ws.col.Protocol", options=options)

    elsewhere = written(*broken, port=46000)
    assert protocols(elsewhere) == [["UDP"]]
    assert protocols(elsewhere, "-o", "qstack.port:46000") == [["QSTACK"]]
    usual = written(*broken)
    assert protocols(usual) == [["QSTACK"]]
    assert protocols(usual, "-o", "qstack.port:46000") == [["UDP"]]
    assert protocols(usual, "-o", "qstack.port:0") == [["UDP"]]


def test_tshark_loads_the_plugin_from_its_folder_and_bears_it_twice(shark: Tshark, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".local/lib/wireshark/plugins"
    install_plugin(folder)
    at_home = shark._replace(folder=tmp_path)
    assert at_home.fields(root / "pcap" / "samples.pcapng", "_ws.col.Protocol")[0] == ["QSTACK"]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([shark.program, "-r", str(root / "pcap" / "samples.pcapng"), "-Y", "qstack.unit.urn"],
                          capture_output=True, text=True, check=True, timeout=60, env=environment)  # fmt: skip
    assert "UNIT UnitRequest" in done.stdout


def test_tshark_every_filter_has_one_kind_of_value(shark: Tshark, tmp_path: Path) -> None:
    """Two fields of one name and of kinds that cannot be compared would make filters that lie."""
    install_plugin(tmp_path / ".local/lib/wireshark/plugins")
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    told = subprocess.run([shark.program, "-G", "fields"], capture_output=True, text=True, check=True, timeout=60,
                          env=environment)  # fmt: skip
    kinds: dict[str, set[str]] = {}
    for line in told.stdout.splitlines():
        parts = line.split("\t")
        if parts[0] == "F" and parts[2].startswith("qstack"):
            kind = "number" if parts[3].startswith("FT_UINT") else parts[3]
            kinds.setdefault(parts[2], set()).add(kind)
    assert len(kinds) > 200
    assert not {name: found for name, found in kinds.items() if len(found) > 1}


@pytest.mark.skipif(shutil.which("text2pcap") is None, reason="needs text2pcap, which comes with tshark")
def test_tshark_reads_every_hand_written_vector_through_text2pcap(shark: Tshark, tmp_path: Path) -> None:
    found = list(vector_datagrams())
    dump, capture = tmp_path / "vectors.txt", tmp_path / "vectors.pcap"
    dump.write_text("".join(hex_dump(datagram) for _, datagram, _ in found))
    subprocess.run(["text2pcap", "-q", "-u", f"{UDP_PORT},{UDP_PORT}", str(dump), str(capture)], check=True,
                   capture_output=True, timeout=60)  # fmt: skip
    trees = shark.trees(capture)
    assert len(trees) == len(found)
    for (vector, _, expected), tree in zip(found, trees, strict=True):
        names = [key for key, _ in tree]
        start = next(at for at, key in enumerate(names) if key in expected[0].filters)
        assert_tree(vector.name, tree[start : start + len(expected)], expected)
    wrong = shark.fields(capture, *REFUSALS, "qstack.failure", "_ws.lua.error")
    for (vector, _, _), row in zip(found, wrong, strict=True):
        if vector.cls not in (Header, EndHeader):  # which make no datagram that is whole
            assert not any(row), vector.name


def hex_dump(datagram: bytes) -> str:
    lines = (f"{at:06x} {datagram[at : at + 16].hex(' ')}" for at in range(0, len(datagram), 16))
    return "\n".join([*lines, f"{len(datagram):06x}", ""])


def bare_header(protocol: int, behind: int, options: bytes = b"") -> bytes:
    """A header written by hand: version 1, unsealed, 64512.1 to 64513.2."""
    length = 40 + len(options) + behind
    ends = struct.pack(">IIII", 64512, 1, 64513, 2)
    start = struct.pack(">BBBBH", 0x10, protocol, 64, 0, length)
    return start + ends + bytes(16) + struct.pack(">H", len(options)) + options


def vector_datagrams() -> Iterator[tuple[Vector, bytes, list[Shown]]]:
    """Every vector that can cross UDP, in a datagram, and what is to be seen of it."""
    messages = [v for v in vectors() if issubclass(v.cls, Message) and v.cls.PROTOCOL < 64]
    hosts = {v.cls.PROTOCOL: v.octets for v in messages if not v.value.options}
    for vector in vectors():
        cls, value, octets = vector.cls, vector.value, vector.octets
        if issubclass(cls, Message) and cls.PROTOCOL < 64:
            word = cls.PROTOCOL.name.lower()
            code = Shown((f"qstack.{word}.message_code",), octets[0])
            shown = [code, *shown_fields(value, f"qstack.{word}")]
            yield vector, bare_header(cls.PROTOCOL, len(octets)) + octets, shown
        elif issubclass(cls, Tlv) and cls.NAMESPACE is Protocol.HEADER:
            yield vector, bare_header(Protocol.NONE, 0, octets), list(shown_tlv(value))
        elif issubclass(cls, Tlv) and cls.NAMESPACE < 64:
            body = hosts[cls.NAMESPACE] + octets
            yield vector, bare_header(cls.NAMESPACE, len(body)) + body, list(shown_tlv(value))
        elif cls is Header:
            yield vector, octets, list(shown_fields(value, "qstack"))
        elif cls is EndHeader:
            body = octets + bytes(16)
            yield vector, bare_header(Protocol.END, len(body)) + body, list(shown_fields(value, "qstack.end"))
