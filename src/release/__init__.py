"""Release the template: `make release version=1.2.0`. No part of what is installed."""
