"""What programs ask: JSON, typed by the models of `runweaver.query`."""
