"""What people look at: HTML, a page a module."""
