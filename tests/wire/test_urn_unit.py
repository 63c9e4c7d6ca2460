"""Service-unit identifiers from outside (MPA 5.3.1, 5.3.2)."""

from __future__ import annotations

import itertools
from hashlib import sha256

import pytest

from qstack.base.errors import WireError
from qstack.wire.urn import MAXIMUM_ENDPOINTS, parse_lifecycle, parse_unit, parse_urn

# The example of MPA 5.3.1, letter by letter.
CCIPS = "urn:qkd:madqci:ccips?=nonce=177923"
CONTROLLER = "urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017"
LIFECYCLE = "urn:qkd:lifecycle?=size=256&valid-until=1750708945"


def refusal(*texts: str, **named: str) -> tuple[int, str, str]:
    with pytest.raises(WireError) as caught:
        parse_unit(texts, **named)
    return caught.value.offset, caught.value.field, caught.value.reason


def test_unit_of_the_draft_is_read_whole() -> None:
    unit = parse_unit([CCIPS, CONTROLLER, LIFECYCLE])
    assert unit.texts == (CCIPS, CONTROLLER, LIFECYCLE)
    assert str(unit) == f"{CCIPS} {CONTROLLER} {LIFECYCLE}"
    assert [endpoint.q for endpoint in unit.endpoints] == ["nonce=177923", "nid=af33017"]
    assert (unit.lifecycle.size, unit.lifecycle.valid_until_s, unit.lifecycle.others) == (256, 1750708945, ())


def test_unit_digest_is_sha256_of_the_documented_form() -> None:
    form = (
        b"qstack service unit 1\n"
        b"urn:qkd:madqci:ccips?=nonce=177923\n"
        b"urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017\n"
        b"urn:qkd:lifecycle?=size=256&valid-until=1750708945"
    )
    digest = parse_unit([CONTROLLER, CCIPS, LIFECYCLE]).digest()
    assert digest == sha256(form).digest()
    assert digest.hex() == "4f47bd113d55f826c1827b02af2e79b8056be9bcfbead66c3c92407b6c3cb7ae"


def test_unit_in_any_order_is_the_same_unit() -> None:
    third = "urn:qkd:other:app?=nonce=5"
    units = [parse_unit(order) for order in itertools.permutations([CCIPS, CONTROLLER, LIFECYCLE, third])]
    assert len(set(units)) == 1
    assert len({unit.digest() for unit in units}) == 1
    assert all(str(unit.lifecycle.urn) == LIFECYCLE for unit in units)


@pytest.mark.parametrize(
    "same",
    [
        [CCIPS.replace("urn:qkd", "URN:QKD"), CONTROLLER, LIFECYCLE],
        [CCIPS, CONTROLLER, "urn:Qkd:lifecycle?=valid-until=1750708945&size=256"],
    ],
)
def test_unit_equivalent_urns_name_the_same_unit(same: list[str]) -> None:
    unit, other = parse_unit([CCIPS, CONTROLLER, LIFECYCLE]), parse_unit(same)
    assert unit == other
    assert hash(unit) == hash(other)
    assert unit.digest() == other.digest()


@pytest.mark.parametrize(
    "different",
    [
        ["urn:qkd:madqci:ccips?=nonce=177924", CONTROLLER, LIFECYCLE],
        ["urn:qkd:madqci:ccips", CONTROLLER, LIFECYCLE],
        ["urn:qkd:madqci:CCIPS?=nonce=177923", CONTROLLER, LIFECYCLE],
        [CCIPS, CONTROLLER, "urn:qkd:lifecycle?=size=257&valid-until=1750708945"],
        [CCIPS, CONTROLLER, LIFECYCLE + "&fidelity=0.9"],
        [CCIPS, CONTROLLER, CCIPS + "4", LIFECYCLE],
    ],
)
def test_unit_with_anything_else_in_it_is_another_unit(different: list[str]) -> None:
    unit, other = parse_unit([CCIPS, CONTROLLER, LIFECYCLE]), parse_unit(different)
    assert unit != other
    assert unit.digest() != other.digest()


def test_unit_is_different_from_its_text() -> None:
    unit = parse_unit([CCIPS, CONTROLLER, LIFECYCLE])
    assert unit != str(unit)


def test_unit_percent_digits_of_q_components_compare_without_case() -> None:
    one = parse_unit(["urn:qkd:a?=n=%2c", "urn:qkd:b", "urn:qkd:lifecycle?=x=%2c"])
    other = parse_unit(["urn:qkd:a?=n=%2C", "urn:qkd:b", "urn:qkd:lifecycle?=x=%2C"])
    assert one == other
    assert one.lifecycle.others == (("x", "%2c"),)


def test_unit_endpoints_that_differ_in_q_component_alone_are_distinct() -> None:
    unit = parse_unit(["urn:qkd:a?=nonce=1", "urn:qkd:a?=nonce=2", "urn:qkd:a", "urn:qkd:lifecycle"])
    assert len(unit.endpoints) == 3
    assert unit.endpoints[0] == unit.endpoints[1]  # as URNs they are equivalent: the trap


def test_unit_namespace_of_the_lifecycle_is_configurable() -> None:
    texts = ["urn:example:a", "urn:qkd:lifecycle", "urn:example:lifecycle?=size=8"]
    unit = parse_unit(texts, nid="EXAMPLE")
    assert [str(endpoint) for endpoint in unit.endpoints] == ["urn:example:a", "urn:qkd:lifecycle"]
    assert unit.lifecycle.size == 8
    assert refusal("urn:example:a", "urn:example:b", "urn:example:lifecycle")[:2] == (0, "urns")


def test_unit_namespaces_can_be_restricted() -> None:
    with pytest.raises(WireError) as caught:
        parse_unit(["urn:qkd:a", "urn:other:b", "urn:qkd:lifecycle"], nids=("qkd",))
    assert (caught.value.offset, caught.value.field) == (4, "urns[1].NID")


def test_unit_lifecycle_is_known_by_its_exact_name() -> None:
    unit = parse_unit(["urn:qkd:Lifecycle", "urn:qkd:lifecycle:x", "urn:qkd:%6Cifecycle", "urn:qkd:lifecycle"])
    assert len(unit.endpoints) == 3
    assert (unit.lifecycle.size, unit.lifecycle.valid_until_s) == (None, None)


def test_unit_unknown_lifecycle_parameters_are_kept_in_order() -> None:
    unit = parse_unit([CCIPS, CONTROLLER, "urn:qkd:lifecycle?=z=1&size=9&fidelity=0.9&a="])
    assert unit.lifecycle.others == (("z", "1"), ("fidelity", "0.9"), ("a", ""))
    assert unit.lifecycle.canonical == "urn:qkd:lifecycle?=a=&fidelity=0.9&size=9&z=1"
    assert unit.texts[-1] == "urn:qkd:lifecycle?=z=1&size=9&fidelity=0.9&a="


@pytest.mark.parametrize(
    ("texts", "offset", "field"),
    [
        ([], 0, "urns"),
        ([CCIPS, CONTROLLER], 0, "urns"),
        ([LIFECYCLE], 0, "urns"),
        ([CCIPS, LIFECYCLE], 0, "urns"),
        ([CCIPS, LIFECYCLE, CONTROLLER, LIFECYCLE], 0, "urns[3]"),
        ([CCIPS, LIFECYCLE, CONTROLLER, "urn:qkd:lifecycle?=size=1"], 0, "urns[3]"),
        ([CCIPS, CONTROLLER, CCIPS, LIFECYCLE], 0, "urns[2]"),
        (["urn:qkd:a?=n=%2c", "URN:QKD:a?=n=%2C", LIFECYCLE], 0, "urns[1]"),
        ([CCIPS, "urn:qkd:bad%4", LIFECYCLE], 11, "urns[1].NSS"),
        ([CCIPS, "urn:qkd:b?=n=%00", LIFECYCLE], 13, "urns[1].q-component"),
        ([CCIPS, CONTROLLER, LIFECYCLE + "#"], 50, "urns[2].f-component"),
        ([CCIPS + "?+r", "urn:qkd:b?+r", LIFECYCLE], 9, "urns[1].r-component"),
        ([CCIPS, CONTROLLER, "urn:qkd:lifecycle?=size"], 19, "urns[2].q-component"),
        ([CCIPS, CONTROLLER, "urn:qkd:lifecycle?=size=1&size=1"], 26, "urns[2].q-component"),
        ([CCIPS, CONTROLLER, "urn:qkd:lifecycle?=%2c=1&%2C=1"], 25, "urns[2].q-component"),
    ],
)
def test_unit_that_is_none_is_refused_naming_the_urn(texts: list[str], offset: int, field: str) -> None:
    assert refusal(*texts)[:2] == (offset, field)


@pytest.mark.parametrize("number", ["", "0", "007", "+1", "-1", "1.5", "1e3", "0x10", "1%30", "4294967296", "9" * 100])
def test_unit_size_that_is_no_number_is_refused_at_its_position(number: str) -> None:
    offset, field, reason = refusal(CCIPS, f"urn:qkd:lifecycle?=a=b&size={number}", CONTROLLER)
    assert (offset, field) == (28, "urns[1].q-component")
    assert repr(number) in reason
    assert "1..4294967295" in reason


def test_unit_numbers_at_their_limits_are_taken() -> None:
    lifecycle = parse_lifecycle("urn:qkd:lifecycle?=size=4294967295&valid-until=9223372036")
    assert (lifecycle.size, lifecycle.valid_until_s) == (4294967295, 9223372036)
    assert parse_lifecycle("urn:qkd:lifecycle?=size=1").size == 1
    assert refusal(CCIPS, CONTROLLER, "urn:qkd:lifecycle?=valid-until=9223372037")[:2] == (31, "urns[2].q-component")


def test_unit_size_need_not_fill_whole_octets() -> None:
    assert parse_lifecycle("urn:qkd:lifecycle?=size=257").size == 257


def test_lifecycle_of_another_name_is_refused() -> None:
    with pytest.raises(WireError, match="urn:qkd:lifecycle"):
        parse_lifecycle(CCIPS)


def test_unit_endpoints_are_bounded() -> None:
    endpoints = [f"urn:qkd:a{number}" for number in range(MAXIMUM_ENDPOINTS + 1)]
    assert len(parse_unit([*endpoints[:-1], LIFECYCLE]).endpoints) == MAXIMUM_ENDPOINTS
    assert refusal(*endpoints, LIFECYCLE)[:2] == (0, "urns")
    endless = itertools.repeat("urn:qkd:a")
    with pytest.raises(WireError):
        parse_unit(endless)


def test_unit_accepts_octets_as_they_came_from_the_wire() -> None:
    assert parse_unit([CCIPS.encode(), CONTROLLER.encode(), LIFECYCLE.encode()]).texts[0] == CCIPS


def test_unit_equality_rests_on_text_not_on_objects() -> None:
    assert parse_urn(CCIPS).canonical_with_q in parse_unit([CCIPS, CONTROLLER, LIFECYCLE]).canonical
