"""Give a module another name, in everything that refers to it."""
