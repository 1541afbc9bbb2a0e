"""`python -m scaffold` is `scaffold`."""

from scaffold.cli import main

main()
