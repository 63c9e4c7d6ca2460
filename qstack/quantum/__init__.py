"""States, noise, models of hardware, and the door to the state engine.

`bell` and `formulas` are plain Python that protocols may use; `engine` is the door to the compiled engine, which the
twin alone opens; `draws` gives it chance by event; `reference` is the NumPy mirror that tests compare with.

What applications do with qubits, composed over that door: `purification`, `teleportation`, `ghz`, `graph_states`;
`cliffords` numbers the turns of one qubit, `states` takes any density matrix.

Of hardware: `memories` says what a node's device is, `presets` names some, `repeaters` sorts nodes. Light goes through
`channels`, of which `free_space` and `satellite` have files of their own, and is seen by `detectors`; `raman` says what
classical light adds, `turns` when it may. `heralding` says what a click at a midpoint means, `sources` what memories
around a source of `photons` tell; `schemes` are the ways to make pairs, `codes` what encoded ones cost. `links` is a
link at one setting, `hardware` the link before a setting is chosen, `sampling` draws the successes of a window,
`bounds` says what no link can beat.
"""
