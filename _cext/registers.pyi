"""States of the engine that change their holder: nothing in them is seen from Python. Laws stand in registers.pyx."""
