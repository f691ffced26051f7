"""The command ``rpc-sessions``: main.py, and a module for each group of commands."""
