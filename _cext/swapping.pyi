"""Swaps of the state engine, in batches: nothing is seen from Python. Laws stand in swapping.pyx."""
