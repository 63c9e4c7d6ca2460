"""EPR sockets of applications, sans-IO. `machine` is the door."""
