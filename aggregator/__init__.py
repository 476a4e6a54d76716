"""The aggregator: a daemon that collects news from feeds into a SQL corpus."""

import os

__version__ = "0.1.0"

# numpy brings a library of linear algebra, which nobody here needs, and which starts a thread with 40 MB of address space for each core as it
# is loaded: too much for the limit of a worker, and a process with threads must not be forked.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
