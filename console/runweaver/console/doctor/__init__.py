"""`runweaver doctor`: whether a set-up is sound. Each module checks one side of it."""
