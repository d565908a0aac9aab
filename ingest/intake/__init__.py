"""From a drop folder to a judged pair in the state."""
