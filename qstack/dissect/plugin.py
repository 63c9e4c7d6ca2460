"""Where the Wireshark plugin is, and how it gets to where Wireshark looks for it."""

import shutil
import subprocess
from pathlib import Path

from qstack.base.errors import LocalMisuse

__all__ = ["PLUGIN_NAME", "install_plugin", "personal_folder", "plugin_path"]

PLUGIN_NAME = "qstack.lua"
USUAL_FOLDER = Path(".local/lib/wireshark/plugins")  # below the home directory, where tshark cannot be asked
_WANTED = "Personal Lua Plugins"
_TSHARK_TIMEOUT_S = 20


def plugin_path() -> Path:
    """The plugin: beside this module where qstack is installed, `pcap/qstack.lua` in a source tree."""
    here = Path(__file__).resolve()
    for candidate in (here.with_name(PLUGIN_NAME), here.parents[2] / "pcap" / PLUGIN_NAME):
        if candidate.is_file():
            return candidate
    raise LocalMisuse(f"{PLUGIN_NAME} is missing from this installation: install qstack again")


def personal_folder() -> Path:
    """Where Wireshark looks for the user's own Lua plugins, by its own word if tshark is installed."""
    tshark = shutil.which("tshark")
    return (tshark and _asked(tshark)) or Path.home() / USUAL_FOLDER


def _asked(tshark: str) -> Path | None:
    try:
        told = subprocess.run(
            [tshark, "-G", "folders"], capture_output=True, text=True, check=False, timeout=_TSHARK_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    for line in told.stdout.splitlines():
        name, _, folder = line.partition(":")
        if name.strip() == _WANTED and folder.strip():
            return Path(folder.strip())
    return None


def install_plugin(destination: Path | None = None) -> Path:
    """Copy the plugin into a folder (made when missing; by default the personal one) and give the path of the copy.

    Raises `LocalMisuse` when the folder cannot be written.
    """
    source = plugin_path()
    folder = personal_folder() if destination is None else destination
    target, half = folder / PLUGIN_NAME, folder / f".{PLUGIN_NAME}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, half)
        half.replace(target)
    except OSError as error:
        remedy = "name a folder of your own, or change its owner"
        raise LocalMisuse(f"cannot write {target} ({error.strerror}): {remedy}") from None
    return target
