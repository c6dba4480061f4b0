"""The two doors over HTTP: events in, releases out. Needs the extra `service`."""
