"""Protocol-blind machinery: transition tables, timers, retransmission, segmentation, replay window, rate limits.

Sans-IO: no clock and no chance in here. Instants are local monotonic nanoseconds and come in as `now_ns`.
"""
