"""The only code that talks HTTP: one client, guarded, bounded and polite."""
