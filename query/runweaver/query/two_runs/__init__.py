"""What two runs tell: where they part, and which are alike. Pure."""
