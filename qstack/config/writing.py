"""From typed values back to TOML: what `reading` reads. Values that have their default are left out."""

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo

from qstack.config.reading import bare_type, members_of
from qstack.config.value import FORMS

__all__ = ["to_toml"]


def to_toml(document: Struct) -> str:
    """A whole file. Paths are written as they are: relative ones begin at the folder into which the file is put."""
    return "\n".join(_tables(document, ())).lstrip("\n") + "\n"


def _tables(value: Struct, path: tuple[str, ...]) -> Iterator[str]:
    """The lines of one table: its plain keys first, then the tables in it."""
    inner: list[str] = []
    for info in msgspec.structs.fields(type(value)):
        item = getattr(value, info.name)
        if _left_out(info, item):
            continue
        kind, where = bare_type(info.type), (*path, info.encode_name)
        if isinstance(item, Struct) and not _is_tagged(item):
            inner += ["", f"[{'.'.join(where)}]", *_tables(item, where)]
        elif get_origin(kind) is tuple and item and isinstance(item[0], Struct) and not _is_tagged(item[0]):
            for each in item:
                inner += ["", f"[[{'.'.join(where)}]]", *_tables(each, where)]
        elif isinstance(item, dict):
            inner += _dictionary(item, where)
        else:
            yield f"{info.encode_name} = {_literal(_plain(kind, item))}"
    yield from inner


def _dictionary(items: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    plain = {key: item for key, item in items.items() if not isinstance(item, dict)}
    if plain or not items:
        lines += ["", f"[{'.'.join(map(_key, path))}]", *(f"{_key(k)} = {_literal(item)}" for k, item in plain.items())]
    for key, item in items.items():
        if isinstance(item, dict):
            lines += _dictionary(item, (*path, key))
    return lines


def _left_out(info: FieldInfo, item: Any) -> bool:
    return item is None or item == _default(info)


def _default(info: FieldInfo) -> Any:
    return info.default_factory() if info.default_factory is not NODEFAULT else info.default


def _is_tagged(item: Struct) -> bool:
    return item.__struct_config__.tag is not None


def _plain(kind: Any, item: Any) -> Any:
    """What TOML takes for a value of a type."""
    if kind in FORMS:
        return FORMS[kind].write(item)
    if isinstance(item, Struct):
        config = item.__struct_config__
        tag = {} if config.tag is None else {str(config.tag_field): config.tag}
        said = [info for info in msgspec.structs.fields(type(item)) if not _left_out(info, getattr(item, info.name))]
        return tag | {info.encode_name: _plain(bare_type(info.type), getattr(item, info.name)) for info in said}
    if isinstance(item, tuple):
        inner = next((get_args(member)[0] for member in members_of(kind) if get_origin(member) is tuple), None)
        return [_plain(bare_type(inner), each) for each in item]
    return item


def _key(name: str) -> str:
    """A key as TOML takes it: bare where it may be."""
    bare = name.isascii() and name.replace("-", "a").replace("_", "a").isalnum()
    return name if bare else json.dumps(name)


def _literal(value: Any) -> str:
    """TOML for a plain value. JSON's texts, numbers and booleans are TOML's."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_literal(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value, ensure_ascii=True)
