"""speechsense-ingest: every recording that lands in a folder ends up in Yandex SpeechSense, once."""

__version__ = "0.1.0"
