"""The steps of a run. Each composes the wings below and holds no mechanism of its own."""
