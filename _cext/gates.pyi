"""Gates as real maps: nothing is seen from Python. Theory stands in gates.pyx."""
