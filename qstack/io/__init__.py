"""The world, protocol-blind. Only `base` and `wire` are known here.

`udp` carries datagrams and `capture` writes down those that are sent; `clock`, `alarm` and `entropy` are the machine's
time and chance; `tls` is the real handshake. `device` is the client of a quantum device, `packets` the Unix socket
between the two, `mqtt` the client of a broker, `operator` a look into the twin. What speaks a stream to applications
and operators is divided in two: `framing` needs no event loop, `frames` is the same under trio. `pages` serves a page
over HTTP.
"""
