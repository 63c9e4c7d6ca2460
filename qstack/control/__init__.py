"""What operators may ask a daemon, and its typed replies.

`requests` and `replies` are JSON objects, one a line, on the daemon's control socket (`qstack.io.framing`). `service`
is what a daemon has to offer, `condition` what can be waited for, and `answering` turns a line into lines. Applications
speak the control table of `wire` on the same socket and are no part of this room.
"""
