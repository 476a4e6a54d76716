"""A web that misbehaves in every way of hazards.md §2, and the real daemon among it."""
