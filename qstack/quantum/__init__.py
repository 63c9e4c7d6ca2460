"""States, noise, models of hardware, and the door to the state engine.

`bell` and `formulas` are plain Python that protocols may use; `engine` is the door to the compiled engine, which the
twin alone opens; `draws` gives it chance by event; `reference` is the NumPy mirror that tests compare with.

Of hardware: `memories` says what a node's device is; `channels` how light gets lost; `detectors` what is seen of it;
`heralding` what a click means; `schemes` puts these together; `links` is a link at one setting, `hardware` the link
before a setting is chosen; `sampling` draws the successes of a window.
"""
