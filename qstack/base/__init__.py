"""The words all rooms share.

* Blame and names: `errors`, `ids`, `locator`, `bell`, `pairs` (entanglement).
* Arguments that a sans-IO machine is given: `time`, `chance`, `handshake`; and `units` with which they are counted.
* What a protocol asks for: `effects` of the node, `services` of other protocols; `events` tell the operator.

Nothing here touches a clock, a socket or the operating system's randomness, and nothing here imports another room.
"""
