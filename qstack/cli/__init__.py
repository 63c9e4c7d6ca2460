"""The commands: qstackctl and qstack-lab."""
