"""A modular monolith: `platform` carries `modules`, and `main` puts them together."""
