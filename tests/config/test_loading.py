"""Files that are accepted, and everything that is told about files that are not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qstack.base.ids import parse_qna
from qstack.base.locator import parse_locator
from qstack.config.loading import load_node, load_topology, load_twin
from qstack.config.problem import ConfigurationError
from qstack.proto.link.params import LinkParameters
from qstack.proto.qarp.params import QarpParameters
from tests.config.files import NODE, TOPOLOGY, TWIN, write

BROKER = '[twin.mqtt]\nurl = "mqtts://mq"\ndevice = "lab"\nca = "ca.pem"'


def refused(folder: Path, text: str, load=load_node) -> list[tuple[str, str]]:  # type: ignore[no-untyped-def]
    """Paths and whole lines of all problems of a file."""
    with pytest.raises(ConfigurationError) as caught:
        load(write(folder, text))
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.problems)
    for line in lines:  # file, path, value, fault and remedy
        assert re.fullmatch(r".+node\.toml: \$\S* = .+: .+; .+", line), line
    return [(problem.path, str(problem)) for problem in caught.value.problems]


def paths(folder: Path, text: str, load=load_node) -> list[str]:  # type: ignore[no-untyped-def]
    return [path for path, _ in refused(folder, text, load)]


def test_node_file_whole_is_read_as_typed_values(tmp_path: Path) -> None:
    node = load_node(write(tmp_path, NODE))
    assert node.node.qna == parse_qna("64512.1")
    assert node.name == "alice"
    assert node.locators == (parse_locator("127.0.0.11:4560"),)
    assert node.session.certificate == tmp_path / "node.pem"
    assert node.session.anchors[0].as_number == 64512
    assert node.neighbours[1].locator == parse_locator("127.0.0.19:4560")  # the port has a default
    assert node.links[1].stations == (parse_qna("64512.1"), parse_qna("64512.2"))
    assert node.routes[2].as_number == 64513
    assert node.endpoints[0].users.ids == {0, 1000}
    assert node.listen.control == Path("/run/qstack/qstackd.sock")
    assert node.chance.seed == b"\x00\xff"


def test_node_file_seed_is_never_shown(tmp_path: Path) -> None:
    assert "00ff" not in repr(load_node(write(tmp_path, NODE))).lower()
    [(_, line)] = refused(tmp_path, NODE.replace('"00ff"', '"5ec4e7z"'))
    assert "5ec4e7z" not in line


def test_memories_that_are_only_counted_avoid_those_that_are_named(tmp_path: Path) -> None:
    assert load_node(write(tmp_path, NODE)).memories == ((0, 2, 3, 4), (1, 7))


def test_device_behind_a_broker_is_read(tmp_path: Path) -> None:
    mqtt = 'url = "mqtts://[2001:db8::1]"\ndevice = "lab"\nca = "ca.pem"'
    node = load_node(write(tmp_path, NODE.replace('socket = "qtwind.sock"', f"[twin.mqtt]\n{mqtt}")))
    assert node.twin is not None and node.twin.mqtt is not None
    assert node.twin.mqtt.url == ("2001:db8::1", 8883)
    assert (node.twin.mqtt.ca, node.twin.mqtt.key) == (tmp_path / "ca.pem", None)


def test_twin_file_whole_is_read(tmp_path: Path) -> None:
    twin = load_twin(write(tmp_path, TWIN))
    assert twin.listen.socket == tmp_path / "qtwind.sock"
    assert twin.nodes[0].t2_ns == 2000
    assert twin.links[0].model.fidelity == 0.9  # type: ignore[union-attr]


def test_topology_whole_is_read(tmp_path: Path) -> None:
    topology = load_topology(write(tmp_path, TOPOLOGY))
    assert [node.name for node in topology.nodes] == ["alice", "bob"]


def test_file_without_a_section_is_told_which_to_add(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_node(write(tmp_path, ""))
    assert "$.node = (missing): has to be said; add the section [node]" in str(refused.value)


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: .*No such file"):
        load_node(tmp_path / "nowhere.toml")


def test_file_that_is_no_toml_tells_line_and_column(tmp_path: Path) -> None:
    [(path, line)] = refused(tmp_path, "[node\n")
    assert path == "$"
    assert "line 1" in line


def test_file_that_is_no_utf8_tells_where(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(b"[node]\n\xff")
    with pytest.raises(ConfigurationError, match="octet 7"):
        load_node(path)


def test_problems_are_reported_all_at_once(tmp_path: Path) -> None:
    text = (
        NODE.replace('qna = "64512.1"', 'qna = "64512"', 1)
        .replace("id = 1\n", 'id = "one"\n')
        .replace("memories = [1, 7]", "memories = [1, 7]\nfidelity = 2.0\ncolour = 1")
        .replace('socket = "qtwind.sock"', "")
    )
    found = paths(tmp_path, text)
    assert set(found) == {"$.node.qna", "$.link[0].id", "$.link[1].fidelity", "$.link[1].colour", "$.twin.socket"}


def test_problem_in_one_section_accuses_no_other(tmp_path: Path) -> None:
    # The neighbour cannot be read, so nothing can be said of the links and routes that lead to it.
    assert paths(tmp_path, NODE.replace('[[neighbour]]\nqna = "64512.2"', '[[neighbour]]\nqna = 7')) == [
        "$.neighbour[0].qna"
    ]


def test_unknown_key_near_a_known_one_is_guessed(tmp_path: Path) -> None:
    (path, line), *_ = refused(tmp_path, NODE.replace("[[neighbour]]", "[[neighbor]]"))
    assert path == "$.neighbor"
    assert "did you mean neighbour?" in line


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ('qna = "64512.1"', 'qna = "64512"', "$.node.qna", "AS.NODE"),
        ('name = "alice"', "name = 7", "$.node.name", "text in quotes"),
        ('name = "alice"', 'capabilities = ["fly"]', "$.node.capabilities[0]", "station, memory"),
        ('locator = "127.0.0.11:4560"', 'locator = "127.0.0.11:x"', "$.segment[0].locator", "192.0.2.1:4560"),
        ('ask = ["127.0.0.12:4560"]', 'ask = "127.0.0.12:4560"', "$.segment[0].ask", "is not a list"),
        ('ask = ["127.0.0.12:4560"]', 'ask = ["[::1]:4560"]', "$.segment[0].ask[0]", "cannot be reached"),
        ('ask = ["127.0.0.12:4560"]', 'multicast = "10.0.0.1:1"', "$.segment[0].multicast", "224.0.0.0/4"),
        ('ask = ["127.0.0.12:4560"]', 'multicast = "[ff02::1]:1"', "$.segment[0].multicast", "family"),
        ('certificate = "node.pem"', 'certificate = "gone.pem"', "$.session.certificate", "No such file"),
        ('certificate = "node.pem"', "", "$.session.certificate", "(missing)"),
        ('ca = "ca.pem"', 'ca = "gone.pem"', "$.session.trust[0].ca", "pki init"),
        ("as = 64512", "as = -1", "$.session.trust[0].as", ">= 0"),
        ('["urn:qkd:madqci"]', '["urn:qkd:madqci?=x=1"]', "$.session.trust[0].urn-prefixes[0]", "components"),
        ('key = "node.key"', 'key = "node.key"\nrevoked = ["abcd"]', "$.session.revoked[0]", "2 octets"),
        ('[[neighbour]]\nqna = "64512.9"', '[[neighbour]]\nqna = "64512.2"', "$.neighbour[1].qna", "neighbour[0]"),
        ('locator = "127.0.0.19"', 'locator = "127.0.0.11"', "$.neighbour[1].locator", "this node"),
        ('locator = "127.0.0.19"', 'locator = "[::1]"', "$.neighbour[1].locator", "IPv6"),
        ("id = 2", "id = 1", "$.link[1].id", "$.link[0].id"),
        ('stations = ["64512.2"]', "stations = []", "$.link[0].stations", "0 items"),
        ('stations = ["64512.2"]', 'stations = ["64512.8"]', "$.link[0].stations[0]", "not among the neighbours"),
        ('stations = ["64512.2"]', 'stations = ["64512.2", "64512.2"]', "$.link[0].stations", "twice"),
        ('neighbour = "64512.2"', 'neighbour = "64512.1"', "$.link[0].neighbour", "this node itself"),
        ('neighbour = "64512.2"', 'neighbour = "64512.7"', "$.link[0].neighbour", '[[neighbour]] qna = "64512.7"'),
        ('neighbour = "64512.2"', 'neighbour = "64512.9"', "$.link[1].neighbour", "more memories"),
        ("memories = 4", "memories = 0", "$.link[0].memories", "1 to 65535"),
        ("memories = [1, 7]", "memories = [7, 7]", "$.link[1].memories", "once"),
        ("memories = [1, 7]", "memories = [-1]", "$.link[1].memories", "0 to 1048575"),
        ("memories = 4", "memories = 4\nsuccess-probability = 0.0", "$.link[0].success-probability", "> 0"),
        ("memories = 4", "memories = 4\nstates = [[1.0]]", "$.link[0].states", "1 items"),
        ("link = 9", "link = 1", "$.station[0]", "[[link]] stations"),
        ('ends = ["64512.2", "64512.9"]', 'ends = ["64512.2", "64512.8"]', "$.station[0].ends[1]", "neighbours"),
        ('ends = ["64512.2", "64512.9"]', 'ends = ["64512.2", "64512.2"]', "$.station[0].ends", "twice"),
        ('next-hop = "64512.2"', 'next-hop = "64512.8"', "$.route[1].next-hop", "neighbours"),
        ('destination = "64512.3"', 'destination = "64512.1"', "$.route[1].destination", "itself"),
        ('destination = "64512.3"', 'node = "64512.3"', "$.route[1]", "prefix and node"),
        ("as = 64513", "as = 64512", "$.route[2].as", "own quantum AS"),
        ('prefix = "urn:qkd:madqci:ccips"\nusers', 'prefix = "urn:qkd:other"\nusers', "$.endpoint[0].prefix", "route"),
        ('users = [1000, "root"]', 'users = ["no-such-user"]', "$.endpoint[0].users", "no user"),
        ('users = [1000, "root"]', 'users = "all"', "$.endpoint[0].users", "any"),
        ('[twin]\nsocket = "qtwind.sock"', "", "$.twin", "[twin] socket"),
        ('socket = "qtwind.sock"', f'socket = "{"x" * 120}"', "$.twin.socket", "107"),
        ('socket = "qtwind.sock"', "", "$.twin.socket", "[twin.mqtt]"),
        ('[chance]', f"{BROKER}\n[chance]", "$.twin.socket", "second way"),
        ('socket = "qtwind.sock"', BROKER + '\nkey = "node.key"', "$.twin.mqtt", "both, or neither"),
        ('socket = "qtwind.sock"', BROKER.replace("mqtts:", "mqtt:"), "$.twin.mqtt.url", "in the clear"),
        ('socket = "qtwind.sock"', BROKER.replace("mqtts://mq", "mq:8883"), "$.twin.mqtt.url", "mqtts://HOST:PORT"),
        ('socket = "qtwind.sock"', BROKER.replace("lab", "a/b"), "$.twin.mqtt.device", "matching"),
        ('seed = "00ff"', 'seed = "0"', "$.chance.seed", "hexadecimal"),
        ("[twin]", '[log]\nlevel = "loud"\n[twin]', "$.log.level", "debug, info"),
        ("[twin]", '[control]\nmode = "0888"\n[twin]', "$.control.mode", "octal"),
    ],
)  # fmt: skip
def test_node_file_with_a_fault_tells_path_and_remedy(
    old: str, new: str, path: str, words: str, tmp_path: Path
) -> None:
    assert old in NODE
    found = refused(tmp_path, NODE.replace(old, new, 1))
    assert path in [each for each, _ in found]
    assert any(words in line for each, line in found if each == path), found


def test_node_file_that_believes_nobody_is_refused(tmp_path: Path) -> None:
    start, end = NODE.index("[[session.trust]]"), NODE.index("[[neighbour]]")
    assert paths(tmp_path, NODE[:start] + NODE[end:]) == ["$.session.trust"]


def test_node_file_that_pins_a_revoked_certificate_is_refused(tmp_path: Path) -> None:
    digest = "ab" * 32
    pin = f'[[session.pin]]\nqna = "64512.2"\nfingerprint = "{digest}"\n'
    pin = f'revoked = ["sha256:{digest}"]\n{pin}[[session.trust]]'
    assert paths(tmp_path, NODE.replace("[[session.trust]]", pin)) == ["$.session.pin[0].fingerprint"]


def test_states_that_no_pair_can_have_are_refused(tmp_path: Path) -> None:
    mixed = [1.0] + [0.0] * 15
    impossible = [*mixed[:5], 0.9, *mixed[6:10], 0.9, *mixed[11:15], 0.9]  # XX, YY and ZZ of one sign
    states = f"memories = 4\nstates = {[impossible, mixed, mixed, mixed]}"
    [(path, line)] = refused(tmp_path, NODE.replace("memories = 4", states))
    assert path == "$.link[0].states[0]" and "is no state of two qubits" in line


def test_cutoff_shorter_than_a_slot_is_refused_and_none_or_a_longer_one_is_not(tmp_path: Path) -> None:
    [(path, line)] = refused(tmp_path, NODE + "[tuning.circuit]\ncutoff-ns = 9_999_999\n")
    assert path == "$.tuning.circuit.cutoff-ns"
    assert "longest slot of a link, 10000000 ns" in line
    for long_enough in (0, 10_000_000):
        load_node(write(tmp_path, NODE + f"[tuning.circuit]\ncutoff-ns = {long_enough}\n"))


def test_prefix_of_a_node_to_which_there_is_no_way_is_refused(tmp_path: Path) -> None:
    extra = '[[route]]\nprefix = "urn:qkd:far"\nnode = "64599.1"\n[[endpoint]]'
    assert paths(tmp_path, NODE.replace("[[endpoint]]", extra)) == ["$.route[3].node"]


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ("t2-ns = 2000", "t2-ns = 2001", "$.node[0].t2-ns", "lower"),
        ('qna = "64512.2"', 'qna = "64512.1"', "$.node[1].qna", "$.node[0].qna"),
        ('"64512.1", "64512.2"', '"64512.1", "64512.3"', "$.link[0].ends[1]", "[[node]]"),
        ('"64512.1", "64512.2"', '"64512.1", "64512.1"', "$.link[0].ends", "one node twice"),
        ('station = "64512.2"', 'station = "64512.5"', "$.link[0].station", "[[node]]"),
        ("qubits = 4\nt1-ns = 1000", "t1-ns = 1000", "$.link[0].ends[0]", "qubits"),
        ('kind = "werner"', 'kind = "ideal"', "$.link[0].model.kind", 'or "single-click" or'),
        ("fidelity = 0.9", "fidelty = 0.9", "$.link[0].model.fidelty", "did you mean fidelity?"),
        ('"werner", fidelity = 0.9', '"double-click", detection = [0.0, 0.5]', "$.link[0].model", "raise"),
        ("[[node]]", '[time]\npace = -1\n[[node]]', "$.time.pace", ">= 0"),
        ("[[node]]", '[time]\npace = inf\n[[node]]', "$.time.pace", "finite"),
        ("fidelity = 0.9", "fidelity = nan", "$.link[0].model.fidelity", "finite"),
        ('socket = "qtwind.sock"', 'socket = "s"\noperator = "s"', "$.listen.operator", "of their own"),
        ('socket = "qtwind.sock"', "", "$.listen", "no node can reach"),
        ('socket = "qtwind.sock"', '[listen.mqtt]\nurl = "mqtts://mq"\ndevice = "lab"\nca = "ca.pem"',
         "$.listen.mqtt.certificate", "qstackctl pki service"),
    ],
)  # fmt: skip
def test_twin_file_with_a_fault_tells_path_and_remedy(
    old: str, new: str, path: str, words: str, tmp_path: Path
) -> None:
    found = refused(tmp_path, TWIN.replace(old, new, 1), load_twin)
    assert any(each == path and words in line for each, line in found), found


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ('name = "alice"', 'name = "qtwind"', "$.node[0].name", "own files"),
        ('name = "alice"', 'name = "mosquitto"', "$.node[0].name", "own files"),
        ('name = "alice"', 'name = "Alice!"', "$.node[0].name", "matching"),
        ('name = "bob"', 'name = "alice"', "$.node[1].name", "$.node[0].name"),
        ('urn = ["urn:qkd:b"]', 'urn = ["urn:QKD:a"]', "$.node[1].urn[0]", "$.node[0].urn[0]"),
        ('between = ["alice", "bob"]', 'between = ["alice", "carol"]', "$.link[0].between[1]", "alice, bob"),
        ('between = ["alice", "bob"]', 'between = ["alice", "alice"]', "$.node[1].name", "no links lead"),
        ("memories = 8", 'memories = 8\nstation = "carol"', "$.link[0].station", "alice, bob"),
        ("[[link]]", '[[domain]]\nas = 64512\nurn-prefixes = ["urn:qkd:a"]\n[[link]]', "$.node[1].urn[0]", "domain"),
        ('qna = "64512.1"', 'qna = "64512.1"\naddress = "localhost"', "$.node[0].address", "IP address"),
    ],
)  # fmt: skip
def test_topology_with_a_fault_tells_path_and_remedy(
    old: str, new: str, path: str, words: str, tmp_path: Path
) -> None:
    found = refused(tmp_path, TOPOLOGY.replace(old, new, 1), load_topology)
    assert any(each == path and words in line for each, line in found), found


def test_topology_whose_domain_hangs_together_only_through_another_is_refused(tmp_path: Path) -> None:
    text = """
[lab]
name = "three"
[[node]]
name = "a"
qna = "1.1"
[[node]]
name = "b"
qna = "2.1"
[[node]]
name = "c"
qna = "1.2"
[[link]]
between = ["a", "b"]
[[link]]
between = ["b", "c"]
station = "b"
"""
    [(path, line)] = refused(tmp_path, text, load_topology)
    assert path == "$.node[2].name"
    assert "inside quantum AS 1" in line


TUNABLES = {"link": LinkParameters, "qarp": QarpParameters}


@pytest.mark.parametrize(
    ("table", "path", "words"),
    [
        ("[tuning.lnik]\nlead-ns = 1", "$.tuning.lnik", "link, qarp"),
        ("[tuning.link]\nled-ns = 1", "$.tuning.link.led-ns", "lead-ns"),
        ('[tuning.link]\nlead-ns = "1"', "$.tuning.link.lead-ns", "10000000"),
        ("[tuning.qarp]\nprobe-number = 0", "$.tuning.qarp", "at least 1"),
    ],
)
def test_tuning_with_a_fault_tells_path_and_remedy(table: str, path: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_node(write(tmp_path, NODE + table), TUNABLES)
    assert [problem.path for problem in caught.value.problems] == [path]
    assert words in str(caught.value)
