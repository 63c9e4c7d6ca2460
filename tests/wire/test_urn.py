"""URNs from outside: the grammar, its errors, equivalence, and the tree of names (RFC 8141)."""

from __future__ import annotations

import itertools

import pytest

from qstack.base.errors import WireError
from qstack.wire.urn import (
    MAXIMUM_URN_OCTETS,
    NidClass,
    Urn,
    classify_nid,
    parse_endpoint,
    parse_urn,
    q_parameters,
)

# RFC 8141 section 3.2: members of one row are equivalent to each other and to nothing in another row.
RFC_8141_CLASSES = [
    [
        "urn:example:a123,z456",
        "URN:example:a123,z456",
        "urn:EXAMPLE:a123,z456",
        "urn:example:a123,z456?+abc",
        "urn:example:a123,z456?=xyz",
        "urn:example:a123,z456#789",
    ],
    ["urn:example:a123,z456/foo"],
    ["urn:example:a123,z456/bar"],
    ["urn:example:a123,z456/baz"],
    ["urn:example:a123%2Cz456", "URN:EXAMPLE:a123%2cz456"],
    ["urn:example:A123,z456"],
    ["urn:example:a123,Z456"],
    ["urn:example:%D0%B0123,z456"],
]
RFC_2141_CLASSES = [
    ["URN:foo:a123,456", "urn:foo:a123,456", "urn:FOO:a123,456"],
    ["urn:foo:A123,456"],
    ["urn:foo:a123%2C456", "URN:FOO:a123%2c456"],
]


def refusal(text: str | bytes, **named: int) -> tuple[int, str]:
    with pytest.raises(WireError) as caught:
        parse_urn(text, **named)
    assert caught.value.reason
    return caught.value.offset, caught.value.field


@pytest.mark.parametrize("classes", [RFC_8141_CLASSES, RFC_2141_CLASSES], ids=["RFC 8141", "RFC 2141"])
def test_urn_equivalence_vectors_hold_within_and_only_within_a_class(classes: list[list[str]]) -> None:
    numbered = [(number, parse_urn(text)) for number, row in enumerate(classes) for text in row]
    for (row_a, a), (row_b, b) in itertools.product(numbered, repeat=2):
        assert (a == b) is (row_a == row_b)
        assert (a.canonical == b.canonical) is (row_a == row_b)
        assert hash(a) == hash(b) or row_a != row_b
    assert len({urn for _, urn in numbered}) == len(classes)


def test_urn_compared_with_its_text_is_different() -> None:
    assert parse_urn("urn:example:a") != "urn:example:a"


@pytest.mark.parametrize(
    ("text", "components"),
    [
        ("urn:example:a123,z456?+abc?=def", ("example", "a123,z456", "abc", "def", None)),
        ("urn:example:a123,z456?=abc#123", ("example", "a123,z456", None, "abc", "123")),
        ("urn:example:a?+r?=q#f", ("example", "a", "r", "q", "f")),
        ("urn:example:a#", ("example", "a", None, None, "")),
        ("urn:example:a?+r#f?=/", ("example", "a", "r", None, "f?=/")),
        ("urn:example:a?=q?+r?=q", ("example", "a", None, "q?+r?=q", None)),
        ("urn:example:a?+r?+r?r=/r?=q", ("example", "a", "r?+r?r=/r", "q", None)),
        ("URN:ExAmPlE:A%2c/:@", ("example", "A%2c/:@", None, None, None)),
        ("urn:1a:-._~!$&'()*+,;=:@", ("1a", "-._~!$&'()*+,;=:@", None, None, None)),
        ("urn:uuid:f81d4fae-7dec", ("uuid", "f81d4fae-7dec", None, None, None)),
        ("urn:qkd:madqci:ccips?=nonce=177923", ("qkd", "madqci:ccips", None, "nonce=177923", None)),
    ],
)
def test_urn_components_are_divided_where_the_rfc_divides_them(text: str, components: tuple[str | None, ...]) -> None:
    for given in (text, text.encode()):
        urn = parse_urn(given)
        assert (urn.nid, urn.nss, urn.r, urn.q, urn.f) == components
        assert str(urn) == urn.text == text
        assert urn.name == text.partition("?")[0].partition("#")[0]
        assert urn.q is None or urn.text[urn.q_offset :].startswith(urn.q)


@pytest.mark.parametrize(
    ("text", "offset", "field"),
    [
        ("", 0, "scheme"),
        ("urn", 0, "scheme"),
        ("uri:example:a", 0, "scheme"),
        (" urn:example:a", 0, "scheme"),
        ("urn:", 4, "NID"),
        ("urn::a", 4, "NID"),
        ("urn://www.example.com", 4, "NID"),
        ("urn:x:a", 4, "NID"),
        ("urn:-a:b", 4, "NID"),
        ("urn:a-:b", 5, "NID"),
        ("urn:" + "a" * 33 + ":b", 4, "NID"),
        ("urn:ex_ample:a", 6, "NID"),
        ("urn:ex%61mple:a", 6, "NID"),
        ("urn:éx:a", 4, "NID"),
        ("urn:example", 11, "NID"),
        ("urn:example:", 12, "NSS"),
        ("urn:example:/a", 12, "NSS"),
        ("urn:example:#f", 12, "NSS"),
        ("urn:example:?=q", 12, "NSS"),
        ("urn:example:a b", 13, "NSS"),
        ("urn:example:a\n", 13, "NSS"),
        ("urn:example:a\x00", 13, "NSS"),
        ("urn:example:a?b", 13, "NSS"),
        ("urn:example:a?", 13, "NSS"),
        ("urn:example:aé", 13, "NSS"),
        ("urn:example:abc12%3", 17, "NSS"),
        ("urn:example:%", 12, "NSS"),
        ("urn:example:a%4", 13, "NSS"),
        ("urn:example:a%4g", 13, "NSS"),
        ("urn:example:a%٣٣", 13, "NSS"),
        ("urn:example:a[", 13, "NSS"),
        ("urn:example:a?+", 15, "r-component"),
        ("urn:example:a?+?=q", 15, "r-component"),
        ("urn:example:a?+/", 15, "r-component"),
        ("urn:example:a?+r%", 16, "r-component"),
        ("urn:example:a?+r|", 16, "r-component"),
        ("urn:example:a?=", 15, "q-component"),
        ("urn:example:a?+r?=", 18, "q-component"),
        ("urn:example:a?=/", 15, "q-component"),
        ("urn:example:a?=?q", 15, "q-component"),
        ("urn:example:a?=#f", 15, "q-component"),
        ("urn:example:a?=q%x1", 16, "q-component"),
        ("urn:example:a?=q\\", 16, "q-component"),
        ("urn:example:a#f#", 15, "f-component"),
        ("urn:example:a#%1", 14, "f-component"),
    ],
)
def test_urn_malformed_is_refused_at_the_first_octet_that_does_not_fit(text: str, offset: int, field: str) -> None:
    assert refusal(text) == (offset, field)


def test_urn_octets_above_ascii_are_refused_at_their_position() -> None:
    assert refusal(b"urn:example:a\xd0\xb0") == (13, "NSS")
    assert refusal("urn:example:a\ud800") == (13, "NSS")


def test_urn_length_is_limited_to_what_one_octet_can_tell() -> None:
    longest = "urn:example:".ljust(MAXIMUM_URN_OCTETS, "a")
    assert parse_urn(longest).text == longest
    assert refusal(longest + "a") == (MAXIMUM_URN_OCTETS, "urn")
    assert parse_urn(longest + "a", max_octets=256).text == longest + "a"


def test_urn_namespace_not_among_the_allowed_is_refused() -> None:
    assert parse_urn("urn:QKD:a", nids=["Qkd"]).nid == "qkd"
    with pytest.raises(WireError, match="'other' is not one of: example, qkd") as caught:
        parse_urn("urn:other:a", nids={"qkd", "example"})
    assert (caught.value.offset, caught.value.field) == (4, "NID")


def test_urn_is_immutable() -> None:
    with pytest.raises(AttributeError):
        parse_urn("urn:example:a").nid = "other"  # type: ignore[misc]


def test_urn_q_component_is_not_compared_unless_asked() -> None:
    one, other = parse_urn("urn:qkd:a?=nonce=%2c1"), parse_urn("URN:QKD:a?=nonce=2")
    assert one == other
    assert one.canonical_with_q == "urn:qkd:a?=nonce=%2C1"
    assert other.canonical_with_q == "urn:qkd:a?=nonce=2"
    assert parse_urn("urn:qkd:a?+r#f").canonical_with_q == "urn:qkd:a"


@pytest.mark.parametrize(
    ("prefix", "name", "expected"),
    [
        ("urn:qkd:quditto", "urn:qkd:quditto:emulator:ipsec:controller", True),
        ("urn:qkd:quditto:emulator", "urn:qkd:quditto:emulator:ipsec:controller?=nid=af33017", True),
        ("urn:qkd:quditto", "URN:QKD:quditto", True),
        ("urn:qkd:quditto?=q", "urn:qkd:quditto#f", True),
        ("urn:qkd:a%2c", "urn:qkd:a%2C:b", True),
        ("urn:qkd:quditto", "urn:qkd:quditt0:emulator", False),
        ("urn:qkd:quditto", "urn:qkd:quditto2", False),
        ("urn:qkd:quditto", "urn:qkd:quditto/emulator", False),
        ("urn:qkd:quditto", "urn:qkd:Quditto:emulator", False),
        ("urn:qkd:quditto:emulator", "urn:qkd:quditto", False),
        ("urn:example:quditto", "urn:qkd:quditto:emulator", False),
        ("urn:qkd:a:", "urn:qkd:a:b", False),
        ("urn:qkd:a:", "urn:qkd:a::b", True),
        ("urn:qkd:a,b", "urn:qkd:a%2Cb:c", False),
    ],
)
def test_urn_prefix_covers_whole_labels_only(prefix: str, name: str, expected: bool) -> None:
    short, long = parse_urn(prefix), parse_urn(name)
    assert short.is_prefix_of(long) is expected
    assert (short.nid == long.nid and short.labels == long.labels[: short.label_count]) is expected


def test_urn_labels_are_the_parts_between_colons_in_normal_form() -> None:
    urn = parse_urn("urn:qkd:quditto:%e2/x::controller?=a:b")
    assert urn.labels == ("quditto", "%E2/x", "", "controller")
    assert urn.label_count == 4


@pytest.mark.parametrize("code", [*range(0x20), 0x7F])
def test_endpoint_control_octet_is_refused_in_name_and_q_component(code: int) -> None:
    for text, offset, field in (
        (f"urn:qkd:a%{code:02x}", 9, "NSS"),
        (f"urn:qkd:a%41%{code:02X}?=q", 12, "NSS"),
        (f"urn:qkd:a?=q%41%{code:02X}", 15, "q-component"),
    ):
        parse_urn(text)
        with pytest.raises(WireError) as caught:
            parse_endpoint(text)
        assert (caught.value.offset, caught.value.field) == (offset, field)


def test_endpoint_with_resolution_or_fragment_is_refused() -> None:
    for text, offset, field in (("urn:qkd:a?+r?=q", 9, "r-component"), ("urn:qkd:a?=q#", 12, "f-component")):
        with pytest.raises(WireError) as caught:
            parse_endpoint(text)
        assert (caught.value.offset, caught.value.field) == (offset, field)


def test_endpoint_with_printable_octets_is_taken() -> None:
    for text in ("urn:qkd:a%20%7E%80%ff?=n=%20", "urn:qkd:%2500"):
        assert isinstance(parse_endpoint(text, nids=("qkd",)), Urn)


def test_q_parameters_come_in_the_order_written_and_undecoded() -> None:
    assert q_parameters(parse_urn("urn:qkd:a?=b=1&a=%26=&b=")) == (("b", "1"), ("a", "%26="), ("b", ""))
    assert q_parameters(parse_urn("urn:qkd:a?+r")) == ()


@pytest.mark.parametrize(
    ("text", "offset"),
    [("urn:qkd:a?=abc", 11), ("urn:qkd:a?+r?=a=1&b", 18), ("urn:qkd:a?=a=1&&b=2", 15), ("urn:qkd:a?==1", 11)],
)
def test_q_parameters_that_are_no_pairs_are_refused_with_their_position(text: str, offset: int) -> None:
    with pytest.raises(WireError) as caught:
        q_parameters(parse_urn(text))
    assert (caught.value.offset, caught.value.field) == (offset, "q-component")


@pytest.mark.parametrize(
    ("nid", "expected"),
    [
        ("qkd", NidClass.FORMAL),
        ("example", NidClass.FORMAL),
        ("a1-b", NidClass.FORMAL),
        ("1a-b", NidClass.FORMAL),
        ("urn", NidClass.FORMAL),
        ("urn-1", NidClass.INFORMAL),
        ("URN-70", NidClass.INFORMAL),
        ("urn-07", NidClass.RESERVED),
        ("urn-a", NidClass.RESERVED),
        ("qk", NidClass.RESERVED),
        ("es-qkd", NidClass.COUNTRY),
        ("xn--a", NidClass.ENCODED),
        ("ab--c", NidClass.ENCODED),
        ("X-qkd", NidClass.EXPERIMENTAL),
    ],
)
def test_nid_policy_follows_the_registry_rules(nid: str, expected: NidClass) -> None:
    assert classify_nid(nid) is expected


@pytest.mark.parametrize(("nid", "offset"), [("", 0), ("q", 0), ("-qkd", 0), ("qkd-", 3), ("qk d", 2), ("a" * 33, 0)])
def test_nid_policy_refuses_what_is_no_nid(nid: str, offset: int) -> None:
    with pytest.raises(WireError) as caught:
        classify_nid(nid)
    assert (caught.value.offset, caught.value.field) == (offset, "NID")
