"""Every --help ends with examples, and every example is a command line that its own parser takes."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

import pytest

from qstack.cli import lab, qstackctl
from qstack.daemon import qstackd, qtwind


def commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from commands(command)


PARSERS = {each.prog: each for each in (module.make_parser() for module in (qstackctl, lab, qstackd, qtwind))}
COMMANDS = [command for parser in PARSERS.values() for command in commands(parser)]


def examples(command: argparse.ArgumentParser) -> list[list[str]]:
    """The words of each example that calls one of our commands."""
    shown = (command.epilog or "").partition("examples:\n")[2].partition("\n\n")[0].replace("\\\n", " ")
    lines = [line.partition("   ")[0] for line in map(str.strip, shown.splitlines())]
    words = [shlex.split(line, comments=True) for line in lines]
    return [[word for word in line if word not in {"&&", "|"}] for line in words if line and line[0] in PARSERS]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_help_tells_what_a_command_does_and_gives_an_example(command: argparse.ArgumentParser) -> None:
    assert command.description
    assert command.prog in (command.epilog or "")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_examples_are_taken_by_the_parser(command: argparse.ArgumentParser) -> None:
    for program, *words in examples(command):
        cut = next((at for at, word in enumerate(words) if word in {"jq", "echo"}), len(words))
        prepare = lab._before_dashes if program == "qstack-lab" else list
        PARSERS[program].parse_args(prepare(words[:cut]))
