"""Benchmarks against peers and limits: `tools/bench`. One module holds the entries of one subject."""
