"""This server, as its users would write it."""
