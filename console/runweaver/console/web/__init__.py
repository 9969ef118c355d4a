"""The console: pages, and an API for programs, over what `runweaver.query` knows."""
