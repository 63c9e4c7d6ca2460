"""The notes and the source say the same: requirement ids, states, codes, and the numbers that both name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import cache

import pytest

from qstack.base.errors import ErrorCode
from qstack.machine.exchange import ExchangeParameters
from qstack.proto.circuit import states as circuit
from qstack.proto.circuit.params import MAXIMUM_PARKED, CircuitParameters
from qstack.proto.epr import states as epr
from qstack.proto.epr.data import AHEAD, WAITING
from qstack.proto.epr.params import EprParameters
from qstack.proto.header.params import HeaderParameters
from qstack.proto.link import states as link
from qstack.proto.link.data import MAXIMUM_MESSAGE
from qstack.proto.link.params import LinkParameters
from qstack.proto.qarp import states as qarp
from qstack.proto.qarp.params import QarpParameters
from qstack.proto.session import states as session
from qstack.proto.session.params import COOKIE_SECRET_NS, MAXIMUM_FLIGHT_OCTETS, SessionParameters
from qstack.proto.unit import states as unit
from qstack.proto.unit.params import MAXIMUM_ROUNDS, UnitParameters
from qstack.twin.configuration import GRACE_NS, HORIZON_NS
from qstack.wire.control import MAXIMUM_ACTS, MAXIMUM_PAIRS, MAXIMUM_SOCKET_DATA
from qstack.wire.epr import MAXIMUM_FINISHED, MAXIMUM_GIVEN_UP
from qstack.wire.header import BASE_DATAGRAM_OCTETS
from qstack.wire.link import MAXIMUM_DATA, MAXIMUM_SAMPLES
from qstack.wire.protocols import UDP_PORT, Protocol
from qstack.wire.value import message_classes, tlv_classes
from tests.house.tree import ROOT, cython_files, project_files, python_files

NOTES = {file.stem: file.read_text() for file in sorted((ROOT / "rfc_notes").glob("*.md"))}
PREFIXES = "|".join(name.upper() for name in NOTES)
RULE = re.compile(r"\*\*((?:[A-Z]+)-([\d.]+)-\d+)\*\*")
NAMED = re.compile(rf"\b(?:{PREFIXES})-\d+(?:\.\d+)*(?:-\d+)?\b")
HEADING = re.compile(r"^#{2,3} ([\d.]+?)\.? ", re.M)
NO_RULE = {"URN-70"}  # an informal namespace
UNITS_NS = {"ms": 10**6, "s": 10**9, "min": 60 * 10**9}

# Of a protocol's tables only: what says that nothing is left goes without saying in a note.
STATES = [
    ("circuit", circuit.CircuitState), ("circuit", circuit.TailState), ("link", link.RequestState),
    ("link", link.WindowState), ("link", link.MatchState), ("qarp", qarp.NeighbourState),
    ("qarp", qarp.AddressState), ("session", session.SessionState), ("unit", unit.HeadState), ("unit", unit.TailState),
    ("epr", epr.SocketState), ("epr", epr.RequestState),
]  # fmt: skip

C, E, H, L, Q, S, U = (
    CircuitParameters(), ExchangeParameters(), HeaderParameters(), LinkParameters(), QarpParameters(),
    SessionParameters(), UnitParameters(),
)  # fmt: skip
F = L.estimation

# Note, how it says the number ("#" stands for it, with its unit), and the source's.
NUMBERS: list[tuple[str, str, int]] = [
    ("circuit", "Setup timeout: # from sending Reserve", C.setup_timeout_ns),
    ("circuit", "within the cutoff (# unless configured)", C.cutoff_ns),
    ("circuit", "Circuits at a node: #,", C.circuits),
    ("circuit", "labels: #;", C.labels),
    ("circuit", "links of a circuit: #;", C.hops),
    ("circuit", "items of one circuit that wait at a node: # a side", MAXIMUM_PARKED),
    ("epr", "| drain_timeout | SocketClose | # |", EprParameters().drain_timeout_ns),
    ("epr", "Sockets of a user: #;", EprParameters().sockets_of_user),
    ("epr", "of a node: #.", EprParameters().sockets),
    ("epr", "Requests of a socket that are not over: #.", EprParameters().requests_of_socket),
    ("epr", "Qubits in the hands of a user: #;", EprParameters().qubits_of_user),
    ("epr", "that wait for the device: #.", EprParameters().waiting_acts),
    ("epr", "Pairs given up that are remembered: # of", EprParameters().given_up),
    ("epr", "Finished requests named in a SocketClose: #,", MAXIMUM_FINISHED),
    ("epr", "pairs in a PairsGivenUp: #.", MAXIMUM_GIVEN_UP),
    ("epr", "Acts in a message: #;", MAXIMUM_ACTS),
    ("epr", "pairs in a message: #.", MAXIMUM_PAIRS),
    ("data", "of which nothing was heard for #.", L.dense_timeout_ns),
    ("data", "Octets in a plain block: #;", MAXIMUM_DATA),
    ("data", "in a message: #.", MAXIMUM_MESSAGE),
    ("data", "of a data socket: #.", MAXIMUM_SOCKET_DATA),
    ("data", "that are not answered: #;", WAITING),
    ("data", "has not taken: #.", AHEAD),
    ("estimation", "An older sample counts less by 1/# with", F.tally.remembered_tests),
    ("estimation", "and to 1/e in #: drifts", F.tally.memory_ns),
    ("estimation", "begins at 1 with the weight of # samples", round(F.tally.prior_tests)),
    ("estimation", "and so on down to #, the greatest", F.settings.shortest_window_ns),
    ("estimation", "The first one comes # after the beginning", F.calibration.first_ns),
    ("estimation", "twice the one before, up to #:", F.calibration.interval_ns),
    ("estimation", "sums begin with the weight of # clicks", round(F.calibration.prior_clicks)),
    ("estimation", "dark counts with that of # cycles", round(F.calibration.prior_cycles)),
    ("estimation", "an older round counts less by 1/# with", F.calibration.remembered_rounds),
    ("estimation", "Samples in one message: #.", MAXIMUM_SAMPLES),
    ("header", "The UDP port is # by default", UDP_PORT),
    ("header", "A datagram is at most # octets unless", BASE_DATAGRAM_OCTETS),
    ("header", "at most # requests a second, burst", H.replies_per_second),
    ("header", "at most # errors a second, burst", H.errors_per_second),
    ("header", "keeps what is at most # numbers ahead", E.reorder_limit),
    ("header", "retransmission timeout: # before the first measurement", E.initial_rto_ns),
    ("header", "after RFC 6298, at least #, at most", E.minimum_rto_ns),
    ("header", "at least 3 ms, at most #, doubled", E.maximum_rto_ns),
    ("header", "those that are overdue the oldest #.", E.burst),
    ("header", "After # times in vain", E.attempts),
    ("header", "or when # messages wait, the flow has failed", E.send_limit),
    ("header", "An acknowledgement is owed # after a message", E.ack_delay_ns),
    ("link", "| lead | decision, to the beginning of the slot | #, longer", L.lead_ns),
    ("link", "from the decision to the beginning of the slot | #, or the lead", L.ahead_ns),
    ("link", "| offer lead | from taking memories to the beginning of the window | # |", L.offer_lead_ns),
    ("link", "| partner timeout, at the station | end of the window, first Gen there | # |", L.partner_timeout_ns),
    ("link", "| end of the window, or asking the device if later | # |", L.herald_timeout_ns),
    ("link", "| reply timeout, at an end | end of the window | # |", L.reply_timeout_ns),
    ("link", "| a Release that the device does not answer | # |", L.release_timeout_ns),
    ("link", "doubles the master's lead, up to #;", L.longest_lead_ns),
    ("link", "Open windows of a link: #.", L.outstanding_windows),
    ("link", "Requests in a queue: #.", L.queued_requests),
    ("link", "Labels of a link: #.", L.labels),
    ("link", "At most # CreateRequests of an end wait", L.unanswered_requests),
    ("link", "Windows a station waits for: # a link.", L.matches),
    ("qarp", "| PROBE_WAIT, PROBE_NUM, PROBE_MIN, PROBE_MAX | #,", Q.probe_wait_ns),
    ("qarp", "| REACHABLE_TIME, RETRANS_TIMER, DELAY_FIRST_PROBE_TIME | # (x", Q.reachable_time_ns),
    ("qarp", "| REACHABLE_TIME, RETRANS_TIMER, DELAY_FIRST_PROBE_TIME | 30 s (x 0.5..1.5), #,", Q.retransmit_ns),
    ("qarp", "| CONNECT_DELAY, HOLDOFF_MAX, DOUBT_INTERVAL, RUMOURS_ASKED | #,", Q.connect_delay_ns),
    ("qarp", "| CONNECT_DELAY, HOLDOFF_MAX, DOUBT_INTERVAL, RUMOURS_ASKED | 1 s, #,", Q.holdoff_max_ns),
    ("qarp", "| CONNECT_DELAY, HOLDOFF_MAX, DOUBT_INTERVAL, RUMOURS_ASKED | 1 s, 8 s, #,", Q.doubt_interval_ns),
    ("qarp", "| PROOF_STAGGER | # |", Q.proof_stagger_ns),
    ("qarp", "PROOFS_PER_SOURCE, PROOFS | #,", Q.proof_timeout_ns),
    ("qarp", "PROOFS_PER_SOURCE, PROOFS | 1 s, #,", Q.proof_patience_ns),
    ("qarp", "| cache, INCOMPLETE_LIMIT, NEIGHBOURS_PER_LOCATOR | #,", Q.neighbours),
    ("qarp", "| HINTS, HINTS_PER_PEER, HINTS_PER_SOURCE | #,", Q.hints),
    ("session", "| retransmission | #, doubled", S.retransmission.initial_ns),
    ("session", "| no answer at all | attempt given up after # |", S.asking_timeout_ns),
    ("session", "| attempt | given up after # |", S.attempt_timeout_ns),
    ("session", "| half-open session | dropped after # |", S.half_open_timeout_ns),
    ("session", "| half-open sessions | #; a newer", S.half_open_limit),
    ("session", "| half-open sessions begun | #/s,", S.source_rate_per_s),
    ("session", "| silence | probe after # when something was sent", S.silence_after_sending_ns),
    ("session", "was sent since the peer was last heard, else after # |", S.silence_ns),
    ("session", "| probes | every #;", S.probe_interval_ns),
    ("session", "after the #th without an answer", S.probes),
    ("session", "| cookie secret | replaced every #;", COOKIE_SECRET_NS),
    ("session", "2^20 datagrams or #, but not before", S.rekey_after_ns),
    ("session", "2^20 datagrams or 120 s, but not before # |", S.generation_minimum_ns),
    ("session", "| previous key | erased # after", S.previous_key_ns),
    ("session", "A window of at least # numbers", S.replay_window),
    ("session", "A flight is at most # octets", MAXIMUM_FLIGHT_OCTETS),
    ("session", "and # later the flight is not whole", S.pull_after_ns),
    ("twin", "Horizon: #.", HORIZON_NS),
    ("twin", "Grace: #.", GRACE_NS),
    ("unit", "Units that a user has opened: #;", U.units_per_user),
    ("unit", "Rounds in one key unit: #,", MAXIMUM_ROUNDS),
]


@cache
def flowing(note: str) -> str:
    """A note with its lines joined, so that a break inside a sentence hides nothing."""
    return re.sub(r"\s+", " ", NOTES[note])


def section(note: str, number: str) -> str:
    """The text of a section of the first level."""
    return re.split(r"^## ", NOTES[note], flags=re.M)[int(number)]


def rules() -> list[tuple[str, str]]:
    return [(note, found[1]) for note, text in NOTES.items() for found in RULE.finditer(text)]


def known() -> set[str]:
    """What may be named: every rule, and every section by its number alone."""
    sections = {f"{note.upper()}-{found}" for note, text in NOTES.items() for found in HEADING.findall(text)}
    return sections | {rule for _, rule in rules()}


def test_notes_rules_have_one_place_each_in_the_section_that_they_name() -> None:
    seen: set[str] = set()
    for note, text in NOTES.items():
        heading = ""
        for line in text.splitlines():
            if found := HEADING.match(line):
                heading = found[1]
            for rule in RULE.finditer(line):
                assert rule[1].startswith(f"{note.upper()}-{heading}-"), (note, heading, rule[1])
                assert rule[1] not in seen, rule[1]
                seen.add(rule[1])
    assert len(seen) > 300


def test_notes_hold_every_rule_that_is_named_anywhere() -> None:
    there = known()
    files = [file for file in project_files() if file.suffix in {".py", ".pyx", ".pxd", ".md", ".toml"}]
    named = {(str(file.relative_to(ROOT)), name) for file in files for name in NAMED.findall(file.read_text())}
    assert not [(file, name) for file, name in sorted(named) if name not in there | NO_RULE]


def spelled(enums: Iterable[type[Enum]]) -> set[str]:
    return {state.name for enum in enums for state in enum} - {"OVER", "CLOSED"}


@pytest.mark.parametrize(("note", "states"), STATES, ids=lambda value: getattr(value, "__name__", value))
def test_notes_name_every_state_of_a_table(note: str, states: type[Enum]) -> None:
    named = set(re.findall(r"\b[A-Z]{4,}\b", NOTES[note]))
    assert not spelled([states]) - named


@pytest.mark.parametrize(("note", "said", "number"), NUMBERS, ids=lambda value: str(value)[:40])
def test_notes_numbers_are_those_of_the_source(note: str, said: str, number: int) -> None:
    pattern = re.escape(said).replace(r"\#", r"(?P<figure>\d+(?:,\d{3})*)(?: (?P<unit>ms|s|min)\b)?")
    found = re.search(pattern, flowing(note))
    assert found, f"the note does not say: {said}"
    assert int(found["figure"].replace(",", "")) * UNITS_NS.get(found["unit"] or "", 1) == number


def test_notes_error_codes_are_those_of_the_source() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", section("header", "7"), re.M)
    assert {name: int(code) for code, name in rows} == {code.name: code.value for code in ErrorCode}


def test_notes_protocols_tlvs_and_messages_have_the_numbers_of_the_source() -> None:
    numbers = section("header", "11").replace("\n", " ")
    protocols = dict(re.findall(r"(\d+) ([A-Z]+)\b", numbers))
    assert {int(code): name for code, name in protocols.items()} == {each.value: each.name for each in Protocol}
    for classes, suffix in ((tlv_classes(Protocol.HEADER), "Tlv"), (message_classes(Protocol.HEADER), "")):
        for code, cls in classes.items():
            written = f"0x{code:04x}" if code > 0xFF else str(code)
            assert f"{written} {cls.NAME.removesuffix(suffix)}" in numbers


@pytest.mark.parametrize("protocol", [each for each in Protocol if each.name.lower() in NOTES], ids=str)
def test_notes_name_every_message(protocol: Protocol) -> None:
    text = NOTES[protocol.name.lower()]
    assert not [cls.NAME for cls in message_classes(protocol).values() if not re.search(rf"\b{cls.NAME}\b", text)]


def test_notes_rules_are_found_from_the_source() -> None:
    """Each is named there, or its section is, or the section above."""
    text = "\n".join(file.read_text() for file in (*python_files(), *cython_files()))
    named = set(NAMED.findall(text))
    for note in NOTES:
        for found in re.finditer(rf"(?:rfc_notes/{note}\.md|\b{note} note),? sections? ([\d., and]+)", text):
            named |= {f"{note.upper()}-{number}" for number in re.findall(r"\d+(?:\.\d+)*", found[1])}
    lost = [rule for _, rule in rules() if not {rule, rule.rpartition("-")[0], rule.partition(".")[0]} & named]
    assert not lost
