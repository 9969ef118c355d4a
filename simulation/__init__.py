"""What a fleet of servers, workers and finalizers does with so many messages a second, also while one of them dies.

A model from measured figures: nothing here talks to a server. `python -m simulation` prints what docs/scaling.md says.
"""
