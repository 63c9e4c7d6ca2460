"""States, noise, link and memory models, and the door to the state engine.

`bell` and `formulas` are plain Python that protocols may use; `engine` is the door to the compiled engine, which the
twin alone opens; `reference` is the NumPy mirror that tests compare with.
"""
