"""The aggregator: a daemon that collects news from feeds into a SQL corpus."""

__version__ = "0.1.0"
