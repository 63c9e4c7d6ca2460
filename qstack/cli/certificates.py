"""`qstackctl pki`: a domain's CA, nodes' certificates, fingerprints. Needs no daemon."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qstack.base.ids import parse_qna
from qstack.cli.tables import paragraph

__all__ = ["add_pki", "pki"]

_EXAMPLES = """examples:
  qstackctl pki init --dir ca --as 64512 --urn urn:qkd:madqci       the CA of quantum AS 64512
  qstackctl pki issue 64512.1 --ca ca --out alice --urn urn:qkd:madqci:ccips
  qstackctl pki service broker --ca ca --out mq --host mq.example   for a broker; without --host: for qtwind
  qstackctl pki issue 64512.1 --out alice                           self-signed, for peers that pin it
  qstackctl pki fingerprint alice/node.pem                          what [[session.pin]] wants
  qstackctl pki show alice/node.pem
"""


def add_pki(commands: Any) -> None:
    """Add the group to qstackctl's parser."""
    parser = commands.add_parser("pki", help="make and show certificates", epilog=_EXAMPLES,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    init = actions.add_parser("init", help="make the CA of a quantum AS")
    init.add_argument("--dir", type=Path, required=True, help="folder for ca.pem and ca.key")
    init.add_argument("--as", type=int, required=True, dest="as_number", metavar="AS", help="its quantum AS")
    issue = actions.add_parser("issue", help="make key and certificate of a node")
    issue.add_argument("qna", metavar="AS.NODE", help="address of the node")
    issue.add_argument("--ca", type=Path, help="folder of the CA; left out: self-signed, to be pinned")
    issue.add_argument("--out", type=Path, required=True, help="folder for node.pem and node.key")
    service = actions.add_parser("service", help="make key and certificate of a broker or a twin")
    service.add_argument("name", metavar="NAME", help="its common name, by which a broker's access list knows it")
    service.add_argument("--ca", type=Path, required=True, help="folder of the CA")
    service.add_argument("--out", type=Path, required=True, help="folder for service.pem and service.key")
    service.add_argument("--host", action="append", default=[], help="name or IP address at which it is; repeatable")
    service.add_argument("--days", type=int, help="days of validity (365)")
    service.add_argument("--force", action="store_true", help="overwrite files that exist")
    for command, what in ((init, "for which it may issue"), (issue, "that the node may claim")):
        command.add_argument("--urn", action="append", default=[], metavar="URN", help=f"URN prefix {what}; repeatable")
        command.add_argument("--days", type=int, help="days of validity (CA and self-signed 3650, node 365)")
        command.add_argument("--force", action="store_true", help="overwrite files that exist")
    show = actions.add_parser("show", help="what a certificate says")
    fingerprint = actions.add_parser("fingerprint", help="a certificate's fingerprint, as configurations write it")
    for command in (show, fingerprint):
        command.add_argument("certificate", type=Path, metavar="FILE", help="certificate (PEM)")


def pki(options: argparse.Namespace) -> int:
    """Run the group. Raises `LocalMisuse`."""
    from qstack.pki import files  # noqa: PLC0415 - other commands do without it

    days = {} if getattr(options, "days", None) is None else {"days": options.days}
    match options.action:
        case "init":
            print(files.init_ca(options.dir, options.as_number, options.urn, force=options.force, **days))
        case "issue" if options.ca is None:
            print(files.issue_pinned(parse_qna(options.qna), options.out, options.urn, force=options.force, **days))
        case "issue":
            qna = parse_qna(options.qna)
            print(files.issue(options.ca, qna, options.out, options.urn, force=options.force, **days))
        case "service":
            print(files.issue_service(options.ca, options.name, options.out, options.host, force=options.force, **days))
        case "show":
            _show(files.show(options.certificate), options.json)
        case _:
            print(f"sha256:{files.fingerprint(options.certificate)}")
    return 0


def _show(said: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(said))
        return
    dates = {name: _date(said[name]) for name in ("not_before_unix", "not_after_unix")}
    print(paragraph([(name.removesuffix("_unix").replace("_", " "), dates.get(name, value))
                     for name, value in said.items()]))  # fmt: skip


def _date(unix_s: object) -> str:
    return datetime.fromtimestamp(int(str(unix_s)), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
