"""From this checkout into an account: what s.yaml says is checked, deployed, and taken back."""
