"""Write the manual pages from what they document: tools/gen_man.py [--check]

Sections 1 and 8 come from the commands' parsers, section 5 from the declarations of the configuration and from the
parameters of the protocols. qstack.7 is written by hand. `--check` writes nothing and fails when a page is stale.
"""

import argparse
import dataclasses
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from qstack.cli import lab, qstackctl
from qstack.config.node import NodeFile
from qstack.config.problem import shown
from qstack.config.reading import bare_type, members_of, meta_of
from qstack.config.topology import TopologyFile
from qstack.config.twin import TwinFile
from qstack.config.value import FORMS
from qstack.control import condition
from qstack.daemon import qstackd, qtwind
from qstack.daemon.build import PARAMETERS

ROOT = Path(__file__).resolve().parent.parent
MAN = ROOT / "man"
EXAMPLE = ROOT / "tools" / "examples" / "config" / "qstackd.toml"
MADE = '.\\" Made by tools/gen_man.py; do not edit.'
PAGES = ("qstack(7)", "qstackd(8)", "qtwind(8)", "qstackctl(1)", "qstack-lab(1)", "qstack.toml(5)")

PLACES = {
    "/run/qstack/qstackd.sock": "Control socket of the host's daemon, unless the configuration names another.",
    "/etc/qstack/": "Where the unit files look for configurations.",
}
SOCKET = {"QSTACK_SOCKET": "Control socket of the daemon that is meant when --socket does not name one."}
CODES = {"0": "Done.", "1": "Not done; a line on standard error says why and what to do.", "2": "Wrong command line."}
SIGNALS = {
    "SIGTERM, SIGINT": "Tell the peers, release everything, and end.",
    "SIGHUP": "Read the configuration again. It is taken over whole, or, when something is wrong, not at all; the log "
              "tells.",
}


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(prog="tools/gen_man.py", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page is stale")
    options = parser.parse_args()
    stale = []
    for name, make in GENERATED.items():
        path, text = MAN / name, make()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not options.check:
            path.write_text(text)
    if options.check and stale:
        print(f"tools/gen_man.py: stale: {', '.join(stale)}; run tools/gen_man.py", file=sys.stderr)
        return 1
    return 0


# --- roff ------------------------------------------------------------------------------------------------------------


def roff(text: str) -> str:
    """Text that roff takes as it is."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in text.splitlines())


def prose(text: str) -> str:
    """Text in which `code` is bold."""
    return re.sub(r"`([^`]+)`", lambda found: f"\\fB{found[1]}\\fR", roff(text))


def header(page: str) -> Iterator[str]:
    name, section = page.rstrip(")").split("(")
    yield MADE
    yield f'.TH {name.upper()} {section} "" "qstack" "qstack manual"'


def literal(text: str) -> Iterator[str]:
    yield ".PP"
    yield ".nf"
    yield ".RS 4"
    yield roff(text)
    yield ".RE"
    yield ".fi"


def defined(entries: dict[str, str]) -> Iterator[str]:
    for name, meaning in entries.items():
        yield ".TP"
        yield f"\\fB{roff(name)}\\fR"
        yield prose(meaning)


def see_also(page: str) -> Iterator[str]:
    yield ".SH SEE ALSO"
    others = [other for other in PAGES if other != page]
    yield ", ".join(re.sub(r"(.+)(\(\d\))", r"\\fB\1\\fR\2", roff(other)) for other in others)


# --- commands ---------------------------------------------------------------------------------------------------------


def command_page(page: str, parser: argparse.ArgumentParser, extra: dict[str, dict[str, str]]) -> str:
    """The page of a command."""
    name = page.partition("(")[0]
    lines = [*header(page), ".SH NAME", f"{roff(name)} \\- {roff(first_lower(parser.description or ''))}"]
    lines += [".SH SYNOPSIS", f"\\fB{roff(name)}\\fR {synopsis(parser)}"]
    examples, notes = divided(parser.epilog or "")
    if notes:
        lines += [".SH DESCRIPTION", *(line for note in notes for line in (".PP", prose(note)))]
    lines += [".SH OPTIONS", *arguments(parser)]
    groups = list(subcommands(parser))
    if groups:
        lines.append(".SH COMMANDS")
        lines += [line for path, about, sub in groups for line in subcommand(path, about, sub)]
    for title, entries in extra.items():
        lines += [f".SH {title}", *defined(entries)]
    lines += [".SH EXAMPLES", *literal(examples)] if examples else []
    for path, _, sub in groups:
        more, _ = divided(sub.epilog or "")
        lines += literal(more) if more and path else []
    return "\n".join([*lines, *see_also(page)]) + "\n"


def divided(epilog: str) -> tuple[str, list[str]]:
    """The examples of an epilog, and its paragraphs."""
    blocks = [block for block in epilog.strip().split("\n\n") if block]
    examples = next((block for block in blocks if block.startswith("examples:")), "")
    body = "\n".join(line.removeprefix("  ") for line in examples.splitlines()[1:])
    return body, [" ".join(block.split()) for block in blocks if block is not examples]


def subcommands(
    parser: argparse.ArgumentParser, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str, argparse.ArgumentParser]]:
    """All commands below a parser with their path and their line of help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, sub in action.choices.items():
                yield (*path, name), helps.get(name, ""), sub
                yield from subcommands(sub, (*path, name))


def subcommand(path: tuple[str, ...], about: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    if any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
        return
    yield f".SS {roff(' '.join(path))} {synopsis(parser)}".rstrip()
    yield prose(parser.description or sentence(about))
    _, notes = divided(parser.epilog or "")
    for note in notes:
        yield ".PP"
        yield prose(note)
    yield from arguments(parser)


def shown_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    hidden = (argparse._HelpAction, argparse._SubParsersAction)
    return [each for each in parser._actions if not isinstance(each, hidden) and each.help != argparse.SUPPRESS]


def synopsis(parser: argparse.ArgumentParser) -> str:
    words = []
    for action in shown_actions(parser):
        if isinstance(action, argparse._VersionAction):
            continue
        value = metavar(action)
        if not action.option_strings:
            many = action.nargs in ("+", argparse.REMAINDER)
            words.append(f"{value} ..." if many and action.nargs == "+" else value)
        else:
            word = f"\\fB{roff(action.option_strings[0])}\\fR{' ' + value if value else ''}"
            words.append(word if action.required else f"[{word}]")
    if any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
        words.append("\\fICOMMAND\\fR ...")
    return " ".join(words)


def metavar(action: argparse.Action) -> str:
    if action.option_strings and action.nargs == 0:
        return ""
    if action.choices and not action.metavar:
        return roff("|".join(map(str, action.choices)))
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return f"\\fI{roff(name)}\\fR"


def arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in shown_actions(parser):
        names = ", ".join(f"\\fB{roff(name)}\\fR" for name in action.option_strings)
        value = metavar(action)
        yield ".TP"
        yield " ".join(word for word in (names, value) if word)
        yield prose(sentence(action.help or ""))


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def first_lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")


def conditions() -> dict[str, str]:
    """What `wait` takes, from the table in its module's docstring; what stands behind it is about the last row."""
    rows = [line.strip("| ").split(" | ") for line in (condition.__doc__ or "").splitlines() if line.startswith("| `")]
    entries = {name.strip("`"): f"Holds when {meaning}." for name, meaning in rows}
    last = list(entries)[-1]
    entries[last] += " " + " ".join((condition.__doc__ or "").rpartition("|\n\n")[2].split())
    return entries


# --- configuration ----------------------------------------------------------------------------------------------------


def configuration_page() -> str:
    """qstack.toml(5)."""
    lines = [
        *header("qstack.toml(5)"),
        ".SH NAME", "qstack.toml \\- configurations of qstackd, qtwind and qstack\\-lab",
        ".SH DESCRIPTION",
        prose("A configuration is a TOML file (https://toml.io). Unknown keys are refused, relative paths begin at the "
              "folder of the file, and a file is accepted whole or not at all. `qstackd --check-config FILE` and "
              "`qtwind --check-config FILE` tell every problem with its path, the value that stands there, and the "
              "remedy."),
        ".PP",
        prose("Addresses are written `AS.NODE`, as in `64512.1`; locators `ADDRESS:PORT`, as in `192.0.2.1:4560` or "
              "`[2001:db8::1]:4560`; durations are numbers of the unit that ends their key."),
    ]  # fmt: skip
    seen: dict[type, str] = {}
    for title, kind in (("QSTACKD", NodeFile), ("QTWIND", TwinFile), ("QSTACK-LAB", TopologyFile)):
        lines += [f".SH {roff(title)}", *(line for block in sections(kind, (), seen) for line in block)]
    lines += [".SH TUNING", *tuning()]
    lines += [".SH EXAMPLE", prose("A node with one link:"), *literal(EXAMPLE.read_text().rstrip())]
    return "\n".join([*lines, *see_also("qstack.toml(5)")]) + "\n"


def sections(kind: type[msgspec.Struct], path: tuple[str, ...], seen: dict[type, str]) -> Iterator[list[str]]:
    """A block for each table of a file, the tables in a table behind it. `seen`: where a table is described already."""
    for info in msgspec.structs.fields(kind):
        inner = [member for member in members_of(item_type(info.type)) if is_table(member)]
        if not inner:
            continue
        where = (*path, info.encode_name)
        many = get_origin(bare_type(info.type)) is tuple
        for member in inner:
            title = heading(where, many, member.__struct_config__.tag)
            if member in seen:
                yield [f".SS {roff(title)}", f"As {roff(seen[member])}."]
                continue
            seen[member] = title
            yield [f".SS {roff(title)}", *table(member)]
            yield from sections(member, where, seen)


def heading(path: tuple[str, ...], many: bool, tag: Any) -> str:
    name = ".".join(path)
    written = f"[[{name}]]" if many else f"[{name}]"
    return written if tag is None else f'{name} = {{ kind = "{tag}", ... }}'


def table(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield prose(doc(kind))
    for info in msgspec.structs.fields(kind):
        if any(is_table(member) for member in members_of(item_type(info.type))):
            continue
        about = meta_of(info.type)
        yield ".TP"
        yield f"\\fB{roff(info.encode_name)}\\fR = \\fI{roff(form_of(info.type))}\\fR"
        yield prose(f"{sentence(about.description or '')} {fallback(info)}".strip())
        if about.examples:
            yield ".br"
            yield f"\\fB{roff(info.encode_name)} = {roff(shown(about.examples[0]))}\\fR"


def doc(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def fallback(info: msgspec.structs.FieldInfo) -> str:
    if info.required:
        return "Has to be said."
    if info.default in (None, ()) or info.default is msgspec.NODEFAULT:
        return ""
    bare = bare_type(info.type)
    value = FORMS[bare].write(info.default) if bare in FORMS else info.default
    return f"Default: {shown(value)}."


def item_type(kind: Any) -> Any:
    bare = bare_type(kind)
    return bare_type(get_args(bare)[0]) if get_origin(bare) is tuple else bare


def is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def form_of(kind: Any) -> str:
    """What is written for a type."""
    bare = bare_type(kind)
    if bare in FORMS:
        return FORMS[bare].name
    if get_origin(bare) is tuple:
        return f"list of {form_of(get_args(bare)[0])}"
    if get_origin(bare) is Literal:
        return " | ".join(f'"{choice}"' for choice in get_args(bare))
    members = members_of(bare)
    if len(members) > 1:
        return " or ".join(form_of(member) for member in members)
    names = {int: "whole number", float: "number", str: "text", bool: "true | false"}
    return names.get(bare, "table")


def tuning() -> Iterator[str]:
    yield prose("Numbers of the protocols, in tables named [tuning.PROTOCOL]. What they mean is said in the protocols' "
                "notes (`rfc_notes/`), under the same names. The defaults are:")  # fmt: skip
    for name, kind in PARAMETERS.items():
        yield f".SS [tuning.{name}]"
        yield ".nf"
        yield from (roff(line) for line in parameters(kind(), ()))
        yield ".fi"


def parameters(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    for field in dataclasses.fields(value):
        present, name = getattr(value, field.name), (*path, field.name.replace("_", "-"))
        if dataclasses.is_dataclass(present):
            yield from parameters(present, name)
        elif field.init:
            yield f"{'.'.join(name)} = {shown(present)}"


GENERATED: dict[str, Callable[[], str]] = {
    "qstackctl.1": lambda: command_page("qstackctl(1)", qstackctl.make_parser(),
                                        {"CONDITIONS": conditions(), "ENVIRONMENT": SOCKET, "FILES": PLACES,
                                         "EXIT STATUS": CODES}),
    "qstack-lab.1": lambda: command_page("qstack-lab(1)", lab.make_parser(), {
        "FILES": {
            "DIR/lab.json": "What runs: names, process ids and their start times.",
            "DIR/NODE.sock": "Control socket of a node.",
            "DIR/NODE.toml, DIR/qtwind.toml": "Configurations, written anew by each `up`.",
            "DIR/NODE.log, DIR/qtwind.log": "What the processes say.",
            "DIR/NODE.pcapng": "What a node sent, where the topology asks for captures.",
            "DIR/pki/": "CAs, certificates and keys, used again while they are valid.",
        },
        "EXIT STATUS": CODES | {"other": "Of `exec`: that of the command."},
    }),
    "qstackd.8": lambda: command_page("qstackd(8)", qstackd.make_parser(),
                                      {"SIGNALS": SIGNALS, "FILES": PLACES, "EXIT STATUS": CODES}),
    "qtwind.8": lambda: command_page("qtwind(8)", qtwind.make_parser(),
                                     {"SIGNALS": {"SIGTERM, SIGINT": "End. All quantum states are lost."},
                                      "EXIT STATUS": CODES}),
    "qstack.toml.5": configuration_page,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
