"""One small server a file; each takes its port as the only argument."""
