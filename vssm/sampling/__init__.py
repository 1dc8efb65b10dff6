"""Drawing from a model: requests go in, events come out."""
