"""The ready-to-run application: one page that shows one session from two sides, HTTP and WebSocket."""
