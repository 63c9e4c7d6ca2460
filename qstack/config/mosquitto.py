"""The files of a Mosquitto that serves a twin and its nodes, filled in from what the twin's own file says of it."""

from importlib.resources import files
from pathlib import Path
from string import Template

from qstack.base.errors import LocalMisuse
from qstack.config.broker import Broker

__all__ = ["ACL_FILE", "CONFIGURATION_FILE", "SERVICE_USER", "write_mosquitto"]

CONFIGURATION_FILE, ACL_FILE = "mosquitto.conf", "mosquitto.acl"
SERVICE_USER = "mosquitto"
"""As whom distributions run it."""


def write_mosquitto(folder: Path, broker: Broker, twin_name: str, user: str = SERVICE_USER) -> tuple[Path, Path]:
    """Write configuration and access list into `folder`; give their paths. Raises `LocalMisuse`.

    `twin_name`: common name in the twin's certificate. `user`: as whom the broker runs when root starts it. The
    broker's own certificate and key are to lie there as service.pem and service.key, readable by that user
    (`qstackctl pki service broker --host HOST --out FOLDER`).
    """
    folder = folder.absolute()
    configuration, access = folder / CONFIGURATION_FILE, folder / ACL_FILE
    _write(access, ACL_FILE, twin=twin_name, device=broker.device)
    _write(
        configuration, CONFIGURATION_FILE, port=str(broker.url.port), ca=str(Path(broker.ca).absolute()),
        certificate=str(folder / "service.pem"), key=str(folder / "service.key"), acl=str(access), user=user,
    )  # fmt: skip
    return configuration, access


def _write(path: Path, template: str, **values: str) -> None:
    text = Template(files("qstack.config").joinpath(template).read_text()).substitute(values)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise LocalMisuse(f"{path}: {error.strerror}") from error
