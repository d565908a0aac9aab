"""The running service: settings become parts, parts are started, watched and stopped."""
