"""The mutation harness of the audio room: `python -m tests.fuzz` looks into broken files by the hundred thousand."""
