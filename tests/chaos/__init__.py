"""The chaos driver: a real pipeline under load, everything in it killed at random, and every summary checked.

Run as `python -m tests.chaos --seconds 600`.
"""
