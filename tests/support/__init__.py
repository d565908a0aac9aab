"""Helpers of the tests: audio, certificates, an emulator in a process of its own."""
