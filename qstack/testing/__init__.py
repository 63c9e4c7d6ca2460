"""What tests of qstack, and of programs that use it, are made with.

* `strategies`: Hypothesis strategies from the declared formats. `handshake`: a deterministic one, with TLS's flights.
* Whole networks in one process: a `topology` becomes a `simulation` under a virtual clock and bad `weather`, with
  `applications`; what they were told is a `record`, and `invariants` are what must hold of it.
* By seed: `dice` draw a `scenario`, a `trial` carries it out, a `campaign` many; `command` is tools/sim. `life` is a
  day of one link, with all that can happen to it.

Nothing is imported here: each module brings only what it needs itself (`strategies` needs Hypothesis).
"""
