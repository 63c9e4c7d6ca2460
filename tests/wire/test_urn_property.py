"""URNs against a second, independent parser, and what must hold for every text.

The second parser is the ABNF of RFC 8141 section 2 as one regular expression, with the one rule the prose adds: "?="
ends an r-component. It knows nothing of the scanner.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qstack.base.errors import WireError
from qstack.wire.urn import parse_endpoint, parse_unit, parse_urn, q_parameters

PCHAR = r"(?:[A-Za-z0-9\-._~]|%[0-9A-Fa-f][0-9A-Fa-f]|[!$&'()*+,;=]|:|@)"
NAMESTRING = re.compile(
    rf"(?:[uU][rR][nN]):(?P<nid>[A-Za-z0-9][A-Za-z0-9-]{{0,30}}[A-Za-z0-9]):(?P<nss>{PCHAR}(?:{PCHAR}|/)*)"
    rf"(?:\?\+(?P<r>{PCHAR}(?:{PCHAR}|/|\?(?!=))*))?"
    rf"(?:\?=(?P<q>{PCHAR}(?:{PCHAR}|/|\?)*))?"
    rf"(?:\#(?P<f>(?:{PCHAR}|/|\?)*))?"
)
ANYTHING = 10**6

pchars = st.text("abZ09-._~!$&'()*+,;=:@", min_size=1, max_size=1) | st.sampled_from(["%2c", "%2C", "%00", "%fF"])
nids = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]", fullmatch=True)


def run_of(extra: str) -> st.SearchStrategy[str]:
    return st.lists(pchars | st.sampled_from(list(extra)), max_size=12).map("".join)


@st.composite
def urns(draw: st.DrawFn) -> str:
    text = f"{draw(st.sampled_from(['urn', 'URN', 'uRn']))}:{draw(nids)}:{draw(pchars)}{draw(run_of('/'))}"
    if draw(st.booleans()):
        text += "?+" + draw(pchars) + draw(run_of("/?")).replace("?=", "?")
    if draw(st.booleans()):
        text += "?=" + draw(pchars) + draw(run_of("/?"))
    if draw(st.booleans()):
        text += "#" + draw(run_of("/?"))
    return text


@st.composite
def damaged_urns(draw: st.DrawFn) -> str:
    text = draw(urns())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 3, len(text))))
        text = text[:start] + draw(st.text("uRn:?+=#%/aF4-_ \n\x00\x7f[é", max_size=3)) + text[end:]
    return text


def check_against_regex(text: str) -> None:
    expected = NAMESTRING.fullmatch(text)
    if expected is None:
        with pytest.raises(WireError) as caught:
            parse_urn(text, max_octets=ANYTHING)
        assert 0 <= caught.value.offset <= len(text)
        return
    urn = parse_urn(text, max_octets=ANYTHING)
    found = {"nid": urn.text[4 : 4 + len(urn.nid)], "nss": urn.nss, "r": urn.r, "q": urn.q, "f": urn.f}
    assert found == expected.groupdict()


@given(urns())
def test_urn_generated_from_the_grammar_is_read_as_the_regex_reads_it(text: str) -> None:
    assert NAMESTRING.fullmatch(text)
    check_against_regex(text)


@given(damaged_urns())
@example("urn:ab:a?+b?=")
@example("urn:ab:a?+?=b")
@example("urn:ab:a\n")
def test_urn_damaged_is_judged_as_the_regex_judges_it(text: str) -> None:
    check_against_regex(text)


@given(st.text() | st.text("urn:?+=#%aA0/", max_size=20))
def test_urn_arbitrary_text_is_read_or_raises_wire_error(text: str) -> None:
    check_against_regex(text)
    for read in (parse_endpoint, parse_urn, lambda given: parse_unit([given] * 3)):
        try:
            read(text)
        except WireError as error:
            assert 0 <= error.offset <= len(text)


@given(st.binary() | st.binary(max_size=20).map(lambda tail: b"urn:ab:" + tail))
def test_urn_arbitrary_octets_are_read_as_their_text_is(data: bytes) -> None:
    def outcome(given: bytes | str) -> object:
        try:
            return parse_urn(given).text
        except WireError as error:
            return error.offset, error.field

    assert outcome(data) == outcome(data.decode("latin-1"))


@given(urns())
def test_urn_written_and_read_again_is_the_same(text: str) -> None:
    urn = parse_urn(text)
    assert str(urn) == text
    again = parse_urn(urn.canonical_with_q)
    assert again == urn
    assert (again.canonical, again.canonical_with_q) == (urn.canonical, urn.canonical_with_q)
    assert parse_urn(urn.canonical).text == urn.canonical
    assert ":".join(urn.labels) == urn.canonical.split(":", 2)[2]


@given(urns(), urns())
def test_urn_equal_ones_hash_equal_and_prefix_each_other(one: str, other: str) -> None:
    a, b = parse_urn(one), parse_urn(other)
    assert (a == b) is (a.is_prefix_of(b) and b.is_prefix_of(a))
    assert hash(a) == hash(b) or a != b


@given(nids, st.lists(st.text("ab%", max_size=2).map(lambda label: label.replace("%", "%2c")), min_size=1, max_size=5))
def test_urn_prefixes_are_exactly_the_shorter_label_rows(nid: str, labels: list[str]) -> None:
    labels[0] = labels[0] or "a"
    whole = parse_urn(f"urn:{nid}:{':'.join(labels)}")
    for count in range(1, len(labels) + 1):
        prefix = parse_urn(f"urn:{nid}:{':'.join(labels[:count])}")
        assert prefix.label_count == count
        assert prefix.is_prefix_of(whole)
        assert whole.is_prefix_of(prefix) is (count == len(labels))


@given(st.lists(st.tuples(st.text("ab1", min_size=1, max_size=4), st.text("ab=%2", max_size=4)), min_size=1))
def test_q_parameters_are_what_was_joined(pairs: list[tuple[str, str]]) -> None:
    pairs = [(key, value.replace("%", "%25")) for key, value in pairs]
    q = "&".join(f"{key}={value}" for key, value in pairs)
    assert list(q_parameters(parse_urn(f"urn:ab:c?={q}", max_octets=ANYTHING))) == pairs


def operations(run: Callable[[], Any]) -> int:
    """How many lines of qstack `run` executes: the same on every machine and at every time, unlike seconds."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if not frame.f_globals["__name__"].startswith("qstack."):
            return None  # a callback of the garbage collector, say
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    except WireError:
        pass
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "text",
    [
        lambda n: "urn:ab:" + "a" * n,
        lambda n: "urn:ab:" + "%41" * n,
        lambda n: "urn:ab:a?+r" + "?" * n,
        lambda n: "urn:ab:a?+r" + "?+" * n + "?=q" + "?=" * n,
        lambda n: "urn:ab:a?=" + "k=v&" * n + "k=v",
        lambda n: "urn:ab:a#" + "/?" * n,
        lambda n: "urn:ab:" + ":" * n + "[",
        lambda n: "urn:" + "a-" * n,
        lambda n: "urn:ab:a?=q" + "%" * n,
    ],
)
def test_urn_work_grows_in_proportion_to_length(text: Callable[[int], str]) -> None:
    def work(size: int) -> int:
        return operations(lambda: q_parameters(parse_urn(text(size), max_octets=ANYTHING)))

    once, twice, four_times = work(500), work(1000), work(2000)
    # Beyond what does not depend on the size, the work for 1000 more is twice that for 500 more.
    assert abs((four_times - twice) - 2 * (twice - once)) <= 8
    assert four_times <= 12 * 8000
