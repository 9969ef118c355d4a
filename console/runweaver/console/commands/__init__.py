"""The commands. Each reads its settings, calls what does the work, and shows the result."""
