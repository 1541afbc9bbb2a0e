"""What it would take to run a module as a service of its own: the bill, before anything is done."""
