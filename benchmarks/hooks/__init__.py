"""What the hook of each framework costs an agent: a row a module."""
