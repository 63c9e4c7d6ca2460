"""The two processes: qstackd, which is a node, and qtwind, which stands in for the quantum hardware of a network.

`qstackd` and `qtwind` are the commands. A `process` opens what the configuration names, of which `build` and
`credentials` make values; its `driver` joins a sans-IO node with sockets and clocks, `device` keeps it attached to its
quantum device, `clients` are its applications. `service` answers operators, with `pictures` and `link_pictures` of what
the node says of itself. `twin_server` is the driver of a twin. `device_broker` and `twin_broker` are the two ends of a
way to the device over MQTT, `carriage` is what makes it reliable, `topics` how it is called. `log`, `keylog` and
`notify` tell the world outside, and so do `metrics` and `twin_metrics`, by the `exposition` that Prometheus reads.
"""
