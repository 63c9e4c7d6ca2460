"""EPR sockets: pairs of a link in the hands of applications (rfc_notes/epr.md), sans-IO.

`machine` is the door. `asking` is what applications ask, `admission` whether they may. A `socket` and its requests
(`request`) are driven by the tables of `states` and entered in the `ledger`; `qubits` knows who holds what, `acting`
talks to the device, `telling` to applications. `data` are sockets that carry octets (rfc_notes/data.md
section 7). `params` holds the numbers.
"""
