"""qtwind: the digital twin of a network's quantum hardware."""

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from qstack import __version__
from qstack.base.chance import Chance
from qstack.base.errors import LocalMisuse, QstackError
from qstack.base.ids import LinkId, Qna
from qstack.config.broker import Broker
from qstack.config.devices import device_model
from qstack.config.hardware import link_hardware
from qstack.config.loading import load_twin
from qstack.config.mosquitto import write_mosquitto
from qstack.config.twin import TwinFile
from qstack.daemon.log import configure_log
from qstack.daemon.notify import notify
from qstack.daemon.twin_broker import TwinBroker
from qstack.daemon.twin_metrics import twin_page
from qstack.daemon.twin_server import TwinServer, listen, serve_socket
from qstack.io.entropy import system_seed
from qstack.io.mqtt import BrokerAddress
from qstack.io.pages import listen_for_pages, serve_pages
from qstack.pki.files import common_name
from qstack.twin.configuration import TwinConfiguration, TwinLink
from qstack.twin.machine import Twin

__all__ = ["admission", "main", "make_parser", "make_twin"]

_EXAMPLES = """examples:
  qtwind /etc/qstack/twin.toml                  run in the foreground until SIGTERM
  qtwind --check-config /etc/qstack/twin.toml   say what is wrong with a configuration, and end
  qtwind --broker-config mosquitto /etc/qstack/twin.toml   write Mosquitto's files into the folder mosquitto
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="qtwind", description="Digital twin of the quantum hardware of a network.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("configuration", type=Path, metavar="FILE", help="configuration (qstack.toml(5))")
    parser.add_argument("--check-config", action="store_true", help="check the configuration and end: 0 good, 1 not")
    parser.add_argument("--broker-config", type=Path, metavar="DIR",
                        help="write Mosquitto's files for the broker of [listen.mqtt] there, and end")  # fmt: skip
    parser.add_argument("--version", action="version", version=f"qtwind {__version__}")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run. Exit codes: 0 ended as asked, 1 configuration or start-up failed, 2 wrong command line."""
    options = make_parser().parse_args(arguments)
    try:
        file = load_twin(options.configuration)
        if options.broker_config is not None:
            return _write_broker(file, options.broker_config)
        twin = make_twin(file)
        if options.check_config:
            print(f"{options.configuration}: good")
            return 0
        trio.run(_run, file, twin)
    except QstackError as error:
        print(f"qtwind: {error}", file=sys.stderr)
        return 1
    return 0


def _write_broker(file: TwinFile, folder: Path) -> int:
    if file.listen.mqtt is None:
        raise LocalMisuse("the configuration names no broker: add [listen.mqtt]")
    assert file.listen.mqtt.certificate is not None  # TWIN_RULES
    for path in write_mosquitto(folder, file.listen.mqtt, common_name(file.listen.mqtt.certificate)):
        print(path)
    return 0


def make_twin(file: TwinFile) -> Twin:
    """The twin that a file describes."""
    seed = file.chance.seed
    chance = Chance(system_seed(), secret=True) if seed is None else Chance(bytes(seed), secret=False)
    nodes = {each.qna: device_model(each, each.qubits) for each in file.nodes}
    links = {
        LinkId(each.id): TwinLink((each.ends[0], each.ends[1]), each.station,
                                  link_hardware(each, each.cycle_ns))
        for each in file.links
    }  # fmt: skip
    return Twin(TwinConfiguration(nodes, links, file.time.pace, file.time.grace_ns, file.time.horizon_ns), chance)


def admission(file: TwinFile) -> Callable[[int], frozenset[Qna]]:
    """As which nodes a user may attach over the Unix socket."""

    def admit(user: int) -> frozenset[Qna]:
        return frozenset(each.qna for each in file.nodes if each.users.ids is None or user in each.users.ids)

    return admit


async def _run(file: TwinFile, twin: Twin) -> None:
    mqtt = file.listen.mqtt
    name = file.listen.socket or (mqtt and mqtt.device)
    logger = configure_log(file.log.level, file.log.format).bind(twin=str(name))
    server = TwinServer(twin, file.time.max_error_ns)
    broker = None if mqtt is None else _broker(file, mqtt, server, logger)
    metrics = None if file.metrics is None else listen_for_pages(file.metrics.listen.place)
    ours: list[Path] = []
    try:
        nodes, operators = None, None
        if file.listen.socket is not None:
            nodes = listen(file.listen.socket, file.listen.mode)
            ours.append(file.listen.socket)
        if file.listen.operator is not None:
            operators = listen(file.listen.operator, 0o600)
            ours.append(file.listen.operator)
        async with trio.open_nursery() as nursery:
            await nursery.start(_watch_signals, nursery.cancel_scope)
            logger.info("ready", nodes=len(file.nodes), links=len(file.links))
            notify("READY=1")
            if nodes is not None:
                nursery.start_soon(serve_socket, server, nodes, admission(file))
            if operators is not None:
                nursery.start_soon(serve_socket, server, operators, None)
            if broker is not None:
                nursery.start_soon(broker.run)
            if metrics is not None:
                nursery.start_soon(serve_pages, metrics, twin_page(lambda: twin.statistics))
            await server.run()
    finally:
        for path in ours:
            path.unlink(missing_ok=True)
        statistics = twin.statistics
        logger.info("stopped", statistics=repr(statistics))


def _broker(file: TwinFile, mqtt: Broker, server: TwinServer, logger: structlog.stdlib.BoundLogger) -> TwinBroker:
    assert mqtt.certificate is not None and mqtt.key is not None  # TWIN_RULES
    address = BrokerAddress(mqtt.url.host, mqtt.url.port, mqtt.ca, mqtt.certificate, mqtt.key)
    nodes = frozenset(each.qna for each in file.nodes)
    return TwinBroker(server, address, mqtt.device, nodes, f"qtwind-{mqtt.device}", logger)


async def _watch_signals(
    scope: trio.CancelScope, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            notify("STOPPING=1")
            scope.cancel()
            return


if __name__ == "__main__":
    sys.exit(main())
