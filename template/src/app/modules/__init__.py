"""One folder per module. Other code imports a module's package, never anything inside it."""
