"""The SpeechSense API: the only place that speaks gRPC."""
