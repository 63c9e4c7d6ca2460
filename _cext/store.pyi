"""Tables of the state engine: nothing in them is seen from Python. Laws stand in store.pyx."""
