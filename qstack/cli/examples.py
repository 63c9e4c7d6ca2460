"""Examples of every command, shown at the end of its --help; those of a group stand beside the group."""

import argparse
from textwrap import fill

__all__ = ["show_examples"]

_EXAMPLES = {
    "qstackctl status": ("qstackctl status", "qstackctl --json status | jq .state"),
    "qstackctl neighbours": ("qstackctl neighbours",),
    "qstackctl sessions": ("qstackctl sessions",),
    "qstackctl links": (
        "qstackctl links", "qstackctl links --twin build/lab/qtwind-operator.sock",
        "qstackctl links --json | jq '.links[].rate_hz'",
    ),
    "qstackctl memories": (
        "qstackctl memories --twin build/lab/qtwind-operator.sock",
        "qstackctl memories --json | jq '.memories[] | select(.age_s > 60)'",
    ),
    "qstackctl circuits": ("qstackctl circuits",),
    "qstackctl units": ("qstackctl units",),
    "qstackctl counters": ("qstackctl counters", "qstackctl --json counters | jq '.counters[\"datagrams.forwarded\"]'"),
    "qstackctl ping": ("qstackctl ping 64513.2", "qstackctl ping 64513.2 --count 100 --interval 0.1 --size 1000"),
    "qstackctl wait": (
        "qstackctl wait ready connected --timeout 5",
        "qstackctl wait neighbour=64512.2 link=64512.2",
        "qstackctl wait 'links>=2' 'units=0' 'datagrams.forwarded>100'",
    ),
    "qstackctl reload": ("qstackctl reload",),
    "qstackctl stop": ("qstackctl stop",),
    "qstackctl unit open": (
        "qstackctl unit open urn:qkd:madqci:ccips urn:qkd:quditto:emulator:ipsec:controller \\",
        "    \"urn:qkd:lifecycle?=size=256&valid-until=$(($(date +%s) + 3600))\"",
    ),
    "qstackctl unit listen": (
        "qstackctl unit listen urn:qkd:quditto:emulator:ipsec:controller",
        "qstackctl unit listen urn:qkd:quditto:emulator:ipsec:controller --count 1 --measure Z",
    ),
    "qstackctl epr": ("qstackctl epr create 64512.2 7", "qstackctl --socket build/lab/bob.sock epr recv 64512.1 7"),
    "qstackctl epr create": (
        "qstackctl epr create 64512.2 7 --number 10 --min-fidelity 0.9 --basis X",
        "qstackctl epr create 64512.2 7 --number 1000 --directly --random CHSH --json",
    ),
    "qstackctl epr recv": (
        "qstackctl epr recv 64512.1 7 --number 10 --basis X", "qstackctl epr recv 64512.1 7 --number 1000 --directly",
    ),
    "qstackctl data": (
        "qstackctl data send 64512.2 9 hello", "qstackctl --socket build/lab/bob.sock data recv 64512.1 9",
    ),
    "qstackctl data send": ("qstackctl data send 64512.2 9 hello", "qstackctl data send 64512.2 9 'two words' --json"),
    "qstackctl data recv": ("qstackctl data recv 64512.1 9 --timeout 600", "qstackctl data recv 64512.1 9 --json"),
    "qstackctl pki init": ("qstackctl pki init --dir ca --as 64512 --urn urn:qkd:madqci",),
    "qstackctl pki issue": (
        "qstackctl pki issue 64512.1 --ca ca --out alice --urn urn:qkd:madqci:ccips",
        "qstackctl pki issue 64512.1 --out alice    # self-signed, for peers that pin it",
    ),
    "qstackctl pki service": (
        "qstackctl pki service broker --ca ca --out mosquitto --host mq.example --host 192.0.2.9",
        "qstackctl pki service qtwind --ca ca --out qtwind",
    ),
    "qstackctl pki show": ("qstackctl pki show alice/node.pem",),
    "qstackctl pki fingerprint": ("qstackctl pki fingerprint alice/node.pem",),
    "qstackctl wireshark": ("qstackctl wireshark install",),
    "qstackctl wireshark install": ("qstackctl wireshark install", "qstackctl wireshark install --dir plugins"),
    "qstackctl wireshark path": ('tshark -X lua_script:"$(qstackctl wireshark path)" -r build/demo/demo.pcapng',),
    "qstack-lab up": ("qstack-lab up tools/examples/madqci-quditto.toml --dir build/lab",),
    "qstack-lab down": ("qstack-lab down --dir build/lab",),
    "qstack-lab status": ("qstack-lab status --dir build/lab",),
    "qstack-lab exec": (
        "qstack-lab exec alice --dir build/lab -- qstackctl neighbours",
        "qstack-lab exec alice --dir build/lab    # a shell",
    ),
}


def show_examples(parser: argparse.ArgumentParser) -> None:
    """Give every command below `parser` its examples, and what the list of commands says of it as a description."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help for choice in action._choices_actions}
            for name, command in action.choices.items():
                text = command.description or f"{about[name]}."
                command.description = fill(text[:1].upper() + text[1:], 100)
                if command.prog in _EXAMPLES:
                    command.epilog = "\n  ".join(("examples:", *_EXAMPLES[command.prog]))
                command.formatter_class = argparse.RawDescriptionHelpFormatter
                show_examples(command)
