"""The two processes: qstackd, which is a node, and qtwind, which stands in for the quantum hardware of a network.

`qstackd` and `qtwind` are the commands; `driver` joins a sans-IO node with sockets and clocks, `twin_server` does the
same for a twin; `build` turns a configuration file into what they are made of; `service` answers operators; `log` and
`notify` tell the world outside.
"""
