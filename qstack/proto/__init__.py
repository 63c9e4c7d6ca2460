"""The protocols, one package each, sans-IO. They never import one another: services of `qstack.base` join them.

`header` (echo and error), `session` (keys), `qarp` (addresses), `link` (pairs between neighbours), `circuit` (pairs
between ends), `unit` and `epr` (what applications share), `route` (what is reached where). In each, `states` holds the
rules as tables, `params` the numbers, and `machine` is the door.
"""
