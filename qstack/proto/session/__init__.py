"""Key establishment and seals (rfc_notes/session.md), sans-IO.

`machine` is the door: a `SessionMachine` for each scope. Behind it, from the wire inwards: `carrier` (how a message of
a handshake travels), `cookie` and `halfopen` (what a stranger may cost), `flights` (TLS octets in fragments), `states`
and `session` (one attempt or epoch), `claims` (proof of a locator), `keys` and `seal` (what the epoch is for).
"""
