"""Feed documents into entries, and entries into items: `parse` reads, `identity` recognises. Asks no clock, network or database."""
