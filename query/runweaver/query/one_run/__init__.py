"""What one run tells: why it ended so, and what it did. Pure."""
