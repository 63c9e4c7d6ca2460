"""Key establishment and seals (rfc_notes/session.md), sans-IO.

`machine` is the door: a `SessionMachine` for each scope. Behind it, from the wire inwards: `carrier` (how a message of
a handshake travels), `cookie` and `halfopen` (what a stranger may cost), `flights` (TLS octets in fragments),
`establishment` (from a call to an epoch), `states` and `session` (one attempt or epoch), `register` (which there are),
`claims` (proof of a locator), `keys` and `seal` (what the epoch is for). `view` is what operators see, `params` the
numbers.
"""
