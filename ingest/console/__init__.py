"""What is shown to people and programs about the state."""
