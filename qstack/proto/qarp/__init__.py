"""Address resolution: from a QNA to a UDP locator that a session has proved (rfc_notes/qarp.md), sans-IO.

`machine` is the door; `states` holds both tables, `params` the numbers, `surroundings` what all parts share.

* Others: `neighbourhood` takes events to each `neighbour`, which the `cache` bounds. `questions` asks about them,
  `hints` keeps what was said, `proofs` has it proved.
* Ourselves: `conflict` holds the own address, `presence` describes it, `responder` answers for it, `rivals` deals with
  those who claim it too.
* Below: `segment` is where neighbours are looked for, `locators` how their addresses are read and written, `limits`
  how often strangers are answered, `draws` what is left to chance, `description` what operators see.
"""
