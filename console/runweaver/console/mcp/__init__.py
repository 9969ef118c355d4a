"""What Runweaver knows, for an LLM with tools: a server of the Model Context Protocol."""
