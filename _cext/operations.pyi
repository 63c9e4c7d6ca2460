"""Operations of the state engine, item by item: nothing is seen from Python. Laws stand in engine.pyx."""
