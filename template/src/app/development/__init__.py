"""What only developers need: a Postgres of their own, tokens, the console, pictures of the modules.

No part of what is deployed: the wheel leaves this package out, and but for the command `app`, which
looks whether it is there, nothing imports it.
"""
