"""When two texts are the same story, however dressed. Pure."""
