"""Deploys this checkout into an account: checks s.yaml, releases, rolls back."""
