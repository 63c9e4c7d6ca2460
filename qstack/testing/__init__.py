"""What tests of qstack, and of programs that use it, are made with: strategies from the declared formats, a virtual
clock, a bad network, deterministic handshakes, whole networks in one process.

Nothing is imported here: each module brings only what it needs itself (`strategies` needs Hypothesis).
"""
