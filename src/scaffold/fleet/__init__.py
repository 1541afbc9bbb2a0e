"""Many repositories that follow one template: what each would get, and its update."""
