"""How long this application waits for what does not answer: every other file takes it from here.

What a team may want to change is a setting instead, such as DATABASE_STATEMENT_TIMEOUT.
"""

CONNECT = 5.0
"""Seconds until a new connection to Postgres is given up: address, TCP, TLS and login."""
MARGIN = 1.0
"""Seconds that a statement has here beyond the time after which Postgres itself stops it. Who hears
nothing by then has no connection any more."""
ISSUER = 5.0
"""Seconds in which an issuer of tokens must have told all its keys, however slowly it speaks."""
LAST_SPANS = 1.5
"""Seconds that the last spans have, when a process ends, to reach the collector."""
TURN = 3.0
"""Seconds in which an event loop that is merely busy has a turn for who asks whether it lives."""
