"""Agents of other frameworks report in: a module for each, which imports its framework. See docs/integrations."""
