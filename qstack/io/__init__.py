"""The world, protocol-blind: UDP, Unix sockets, alarms, clocks, captures, TLS, the client of a quantum device.

Only `base` and `wire` are known here. What speaks a stream to applications and operators is divided in two: `framing`
needs no event loop, `frames` is the same under trio.
"""
