"""From a pending recording to a delivered one."""
