"""The state table: what is known of every recording, and the only place that speaks SQL."""
