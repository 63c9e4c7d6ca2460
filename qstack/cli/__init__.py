"""The commands.

`qstackctl` is one: `looks` (status and the other tables, with the twin's `truth` where it is given), `watching` (ping,
wait, reload, stop), `opening` (unit), `pairing` (epr), `sending` (data), `certificates` (pki), `wireshark`; `asking`
speaks to the daemon, `examples` end each --help, and `tables` shows what it said. `lab` is the other, qstack-lab: a
`laboratory` is a folder, its `processes`, and perhaps `namespaces`.
"""
