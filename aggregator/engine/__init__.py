"""Who runs the two stages, and when. Due times and leases live in the database; an engine only rings."""
