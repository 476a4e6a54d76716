"""A text into hashes that are equal for equal stories."""

import hashlib

from aggregator.dedup import normalize

# Below this a body alone says too little ("Photo of the day"): the title is hashed with it.
_SHORT = 16


def text_hash(text: str, title: str = "") -> str | None:
    """32 hex digits of the normal form; None for a text without tokens, which equals no other."""
    found = normalize.tokens(text)
    if not found:
        return None
    if len(found) < _SHORT:
        found = [*normalize.tokens(title), "\n", *found]
    return hashlib.sha256(" ".join(found).encode("utf-8", "surrogatepass")).hexdigest()[:32]
