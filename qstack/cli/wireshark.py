"""`qstackctl wireshark`: the plugin, and how it gets to where Wireshark looks for it. Needs no daemon."""

import argparse
from pathlib import Path
from typing import Any

__all__ = ["add_wireshark", "wireshark"]


def add_wireshark(commands: Any) -> None:
    """Add the group to qstackctl's parser."""
    parser = commands.add_parser("wireshark", help="install the Wireshark plugin")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    install = actions.add_parser("install", help="copy it to where Wireshark looks for plugins")
    install.add_argument("--dir", type=Path, help="folder to use instead of the one that tshark names")
    actions.add_parser("path", help="where it is: for tshark -X lua_script:PATH")


def wireshark(options: argparse.Namespace) -> int:
    """Run the group. Raises `LocalMisuse`."""
    from qstack.dissect.plugin import install_plugin, plugin_path  # noqa: PLC0415 - other commands do without it

    print(plugin_path() if options.action == "path" else install_plugin(options.dir))
    return 0
