"""A big event: many streams come up at once, on the deployed functions between the emulators."""
