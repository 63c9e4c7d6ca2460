"""From TOML to typed values, finding every problem and not only the first.

Laws:

1. A value that cannot be read is a problem, and what contains it is left out: reading goes on beside it.
2. `Reader.sections` tells which sections are broken, so that no rule is asked about a section that is not whole.
3. Nothing is converted silently: a text is no number, 1 is not true.
"""

import re
import types
from collections.abc import Iterator
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct, ValidationError
from msgspec.structs import FieldInfo

from qstack.base.errors import LocalMisuse
from qstack.config.problem import Problem, shown
from qstack.config.value import FORMS

__all__ = ["Reader", "bare_type", "key_of", "members_of", "meta_of"]

_FAILED = object()
_WORDS = {
    "int": "a whole number", "float": "a number", "str": "a text in quotes", "bool": "true or false", "array": "a list",
    "object": "a table",
}  # fmt: skip


def meta_of(kind: Any) -> msgspec.Meta:
    """What `value.about` said of a field's type; an empty Meta where it said nothing."""
    if get_origin(kind) is Annotated:
        return next((each for each in kind.__metadata__ if isinstance(each, msgspec.Meta)), msgspec.Meta())
    return msgspec.Meta()


def bare_type(kind: Any) -> Any:
    """A field's type without annotations and without `| None`, which no TOML value can be."""
    if get_origin(kind) is Annotated:
        return bare_type(get_args(kind)[0])
    members = members_of(kind)
    return kind if len(members) > 1 or members[0] is kind else bare_type(members[0])


def members_of(kind: Any) -> tuple[Any, ...]:
    """The types that a union allows, None left out; of any other type, the type."""
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(member for member in get_args(kind) if member is not type(None))
    return (kind,)


def key_of(path: str, name: str) -> str:
    """The path of a key in a table."""
    return f"{path}.{name}"


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


class Reader:
    """Reads one file. `folder` is where its relative paths begin; `problems` grows."""

    def __init__(self, folder: Path) -> None:
        self.problems: list[Problem] = []
        self._folder = folder

    def sections(self, kind: type[Struct], raw: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """The sections of a whole file by attribute, and the attributes of those that are broken."""
        found: dict[str, Any] = {}
        broken: set[str] = set()
        self._unknown_keys(kind, raw, "$")
        for info in msgspec.structs.fields(kind):
            before = len(self.problems)
            value = self._member(info, raw, "$")
            if len(self.problems) > before:
                broken.add(info.name)
            elif value is not NODEFAULT:
                found[info.name] = value
        return found, broken

    def _read(self, kind: Any, raw: Any, path: str, about: msgspec.Meta) -> Any:
        """A value of any type; `_FAILED` when there is a problem in it."""
        bare = bare_type(kind)
        if bare in FORMS:
            return self._formed(bare, raw, path, about)
        if get_origin(bare) is tuple and len(get_args(bare)) == 2 and get_args(bare)[1] is ...:
            return self._items(get_args(bare)[0], raw, path, about)
        structs = [member for member in members_of(bare) if _is_struct(member)]
        if len(structs) > 1:
            return self._tagged(structs, raw, path)
        if structs:
            return self._table(structs[0], raw, path)
        return self._plain(kind, raw, path, about)

    def _table(self, kind: type[Struct], raw: Any, path: str, beside: tuple[str, ...] = ()) -> Any:
        if not isinstance(raw, dict):
            return self._refuse(path, raw, "is not a table", "write it as [section] or { key = value }")
        self._unknown_keys(kind, raw, path, beside)
        values = {info.name: self._member(info, raw, path) for info in msgspec.structs.fields(kind)}
        if _FAILED in values.values():
            return _FAILED
        return kind(**{name: value for name, value in values.items() if value is not NODEFAULT})

    def _tagged(self, kinds: list[type[Struct]], raw: Any, path: str) -> Any:
        """One of several tables, told apart by the key that all of them name."""
        by_tag = {str(kind.__struct_config__.tag): kind for kind in kinds}
        key = str(kinds[0].__struct_config__.tag_field)
        if not isinstance(raw, dict):
            return self._refuse(path, raw, "is not a table", f'write it as {{ {key} = "{min(by_tag)}" }}')
        tag = raw.get(key)
        if not isinstance(tag, str) or tag not in by_tag:
            return self._refuse(key_of(path, key), tag, "is none of the kinds there are", f"write {_one_of(by_tag)}")
        return self._table(by_tag[tag], raw, path, (key,))

    def _member(self, info: FieldInfo, raw: dict[str, Any], path: str) -> Any:
        """One field of a table; NODEFAULT when it is absent and may be."""
        where, about = key_of(path, info.encode_name), meta_of(info.type)
        if info.encode_name in raw:
            return self._read(info.type, raw[info.encode_name], where, about)
        if info.required:
            remedy = _advice(info.encode_name, about)
            if _is_struct(bare_type(info.type)) and not about.description:
                remedy = f"add the section [{where.removeprefix('$.')}]; see qstack.toml(5)"
            self.problems.append(Problem(where, "(missing)", "has to be said", remedy))
            return _FAILED
        return NODEFAULT

    def _items(self, kind: Any, raw: Any, path: str, about: msgspec.Meta) -> Any:
        if not isinstance(raw, list):
            brackets = f"[[{path.removeprefix('$.')}]]" if _is_struct(bare_type(kind)) else "[value, ...]"
            return self._refuse(path, raw, "is not a list", f"write {brackets}")
        if not (about.min_length or 0) <= len(raw) <= (about.max_length or len(raw)):
            return self._refuse(path, raw, f"has {len(raw)} items", _advice(_last(path), about))
        of_one = msgspec.Meta(description=about.description, examples=about.examples)  # its lengths are the list's own
        values = [self._read(kind, item, f"{path}[{n}]", of_one) for n, item in enumerate(raw)]
        return _FAILED if _FAILED in values else tuple(values)

    def _formed(self, kind: Any, raw: Any, path: str, about: msgspec.Meta) -> Any:
        form = FORMS[kind]
        try:
            return form.read(raw, self._folder)
        except LocalMisuse as error:
            fault, advice = _without(str(error), raw), _advice(_last(path), about)
            self.problems.append(Problem(path, "(not shown)" if form.secret else shown(raw), fault, advice))
            return _FAILED

    def _plain(self, kind: Any, raw: Any, path: str, about: msgspec.Meta) -> Any:
        bare = bare_type(kind)
        if get_origin(bare) is Literal and raw not in get_args(bare):
            return self._refuse(path, raw, f"is none of {', '.join(get_args(bare))}", _advice(_last(path), about))
        if isinstance(raw, float) and not isfinite(raw):
            return self._refuse(path, raw, "is no finite number", _advice(_last(path), about))
        try:
            return msgspec.convert(raw, Annotated[bare, meta_of(kind)])
        except ValidationError as error:
            return self._refuse(path, raw, _in_words(str(error)), _advice(_last(path), about))

    def _unknown_keys(self, kind: type[Struct], raw: dict[str, Any], path: str, beside: tuple[str, ...] = ()) -> None:
        known = [info.encode_name for info in msgspec.structs.fields(kind)] + list(beside)
        for key in raw.keys() - set(known):
            near = get_close_matches(key, known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            self._refuse(key_of(path, key), raw[key], "is not a known key", remedy)

    def _refuse(self, path: str, value: Any, fault: str, remedy: str) -> Any:
        self.problems.append(Problem(path, shown(value), fault, remedy))
        return _FAILED


def _last(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0]


def _without(text: str, raw: Any) -> str:
    """The words for what is wrong, without the value that stands before them already."""
    return text.removeprefix(f"{raw!r} ").removeprefix(f"{raw!r}: ")


def _one_of(tags: dict[str, Any]) -> str:
    return " or ".join(f'"{tag}"' for tag in sorted(tags))


def _in_words(text: str) -> str:
    """msgspec's message without the names of types."""
    text = re.sub("`([^`]*)`", lambda quoted: " or ".join(_WORDS.get(w, w) for w in quoted[1].split(" | ")), text)
    return text[:1].lower() + text[1:]


def _advice(key: str, about: msgspec.Meta) -> str:
    return ", ".join(_advice_parts(key, about))


def _advice_parts(key: str, about: msgspec.Meta) -> Iterator[str]:
    yield f"write the {about.description}" if about.description else f"correct {key}"
    if about.examples:
        yield f"as in {key} = {shown(about.examples[0])}"
