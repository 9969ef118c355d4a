"""What many runs tell together: figures are added up, and what is worth telling is picked from that. Pure."""
