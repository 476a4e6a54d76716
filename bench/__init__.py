"""Benchmarks of whole runs: `make bench`."""
