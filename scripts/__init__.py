"""Tools around the project: set-up, checks, collectors for `make interop`. Never part of an installation."""
