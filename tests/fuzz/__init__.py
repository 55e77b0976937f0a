"""Fuzzing of every edge: random and mutated inputs, over a corpus that grows by what has failed."""
