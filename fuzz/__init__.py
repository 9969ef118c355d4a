"""Every byte that enters Runweaver, held to what must be true of it whatever it is.

`properties` says what must hold, once; the tests call it with examples of hypothesis, `targets` with what a
coverage-guided fuzzer (atheris) makes up. `python -m fuzz --help` runs the latter.
"""
