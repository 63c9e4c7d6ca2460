"""What a configuration may say, and its check.

`node`, `twin` and `topology` declare the three kinds of files as typed values; `value` knows how a single value is
written, `reading` and `writing` go between TOML and those values, `node_rules` and its siblings hold what no single
value can be judged by. `loading` joins them: a file is accepted whole or refused with all of its problems at once.
`expansion` turns a laboratory's topology into the files of its nodes and of its twin.
"""
