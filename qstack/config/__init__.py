"""What a configuration may say, and its check.

`node`, `twin` and `topology` declare the three kinds of files as typed values, with the parts `hardware` (a link's
`schemes` and `light`), `devices` (what a node holds), `broker` and `tuning`;
`value` knows how a single value is written, `reading` and `writing` go between TOML and those values. A `rule` holds
what no single value can be judged by: `node_rules`, `link_rules`, `twin_rules`, `topology_rules`; a `problem` is what
one finds. `loading` joins them: a file is accepted whole or refused with all of its problems at once. `expansion`
turns a laboratory's topology into the files of its nodes and of its twin. `place` says where things are when nobody
says otherwise. `mosquitto` writes the files of a broker.
"""
