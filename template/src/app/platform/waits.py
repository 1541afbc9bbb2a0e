"""How long this application waits for what does not answer: every other file takes it from here.

What a team may want to change is a setting instead, such as DATABASE_STATEMENT_TIMEOUT.
"""

CONNECT = 5.0
"""Seconds until a new connection to Postgres is given up: address, TCP, TLS and login."""
MARGIN = 1.0
"""Seconds that a statement has here beyond the time after which Postgres itself stops it. Who hears
nothing by then has no connection any more."""
