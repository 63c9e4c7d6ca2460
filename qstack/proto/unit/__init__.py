"""Service units between the nodes of their endpoints (rfc_notes/unit.md), sans-IO.

`machine` is the door. `opening` is what applications ask, `answering` what the other node asks, `admission` whether
they may. A unit is a `head` or a `tail`, both an `end`, driven by the tables of `states` and entered in the `ledger`;
`measuring` talks to the device, `key` makes key and confirmation of outcomes. `params` holds the numbers.
"""
