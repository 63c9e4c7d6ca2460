"""The tables of `qstack.wire` rendered for people and for other tools.

* `scapy_layers`: Scapy packet classes, built when it is imported, with `scapy_fields`. Needs the extra
  `qstack[scapy]`; nothing else here, and nothing outside this room, imports Scapy.
* `lua`: the Wireshark plugin `pcap/qstack.lua`; `plugin` finds and installs it.
* `diagrams`, `markdown`: the pages below `rfc_notes/wire/`.
* `sample`, `capture`: made-up values and datagrams, and capture files; `summary` tells what a capture holds.
* `catalogue`: all that is declared, in order, as the renderers ask for it.

`tools/gen_wire.py` writes all generated files, and with `--check` says which are stale.
"""
