"""The text of the Wireshark plugin. Whether Wireshark agrees with the codec is asked in tests/interop."""

from __future__ import annotations

import re
from pathlib import Path

from qstack.dissect import catalogue, lua
from qstack.wire.protocols import Protocol

DECLARED = re.compile(r'\b(?:number|bits|octets|address|prefixed|text|record|list|rest)\("([a-z0-9_.]+)"')


def test_plugin_is_loud_about_being_generated() -> None:
    assert lua.render().splitlines()[0] == f"-- {lua.GENERATED}"


def test_plugin_is_rendered_the_same_each_time() -> None:
    assert lua.render() == lua.render()


def test_plugin_knows_every_message_that_crosses_udp_and_no_other() -> None:
    text = lua.render()
    for protocol in catalogue.namespaces():
        for message in catalogue.messages(protocol):
            word = protocol.name.lower()
            assert (f'structures["qstack.{word} {message.NAME}"] = {{' in text) == catalogue.crosses_udp(protocol)


def test_plugin_filters_are_named_by_protocol_and_field() -> None:
    filters = set(DECLARED.findall(lua.render()))
    assert {"qstack.source", "qstack.unit.urn", "qstack.link.station", "qstack.exchange.sequence",
            "qstack.end.epoch", "qstack.header.identifier"} <= filters  # fmt: skip


def test_plugin_answers_are_matched_by_fields_that_both_have() -> None:
    text = lua.render()
    assert 'name = "EchoRequest", entries = structures["qstack.header EchoRequest"], asked' in text
    assert 'answers = { { "EchoRequest", { "identifier", "sequence" } } }' in text


def test_plugin_uses_nothing_that_only_one_lua_has() -> None:
    code = re.sub(r"--[^\n]*|\"[^\"\n]*\"", "", lua.render())
    of_some = r"\bbit32\b|\bbit\.|//|\bgoto\b|\bunpack\b|\bsetfenv\b|\bloadstring\b|<const>|\bmath\.pow\b"
    assert not re.search(of_some, code)


def test_plugin_writes_nothing_to_standard_output() -> None:
    assert not re.search(r"\bprint\s*\(|\bio\.", lua.RUNTIME.read_text())


def test_plugin_runtime_has_one_place_for_the_tables() -> None:
    assert lua.RUNTIME.read_text().count(lua.MARK) == 1


def test_plugin_in_the_tree_is_fresh(root: Path) -> None:
    assert (root / "pcap" / "qstack.lua").read_text() == lua.render(), "run tools/gen_wire.py"


def test_plugin_lets_only_these_two_be_unsealed() -> None:
    assert f"may_be_unsealed = {{ [{Protocol.SESSION}] = true, [{Protocol.QARP}] = true }}" in lua.render()
