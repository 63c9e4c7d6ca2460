"""Certificates: their profile, their issuing, and how far a domain's authority reaches.

`profile` says what a certificate of qstack looks like and reads one, `issuing` makes them in memory, `trust` decides
whom to believe, `files` keeps them on disk. rfc_notes/session.md section 4 is the text of which this room is the code.
"""
