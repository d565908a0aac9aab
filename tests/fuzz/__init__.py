"""Mutation harnesses: `python -m tests.fuzz` breaks audio, `python -m tests.fuzz.metadata` sidecars and manifests."""
