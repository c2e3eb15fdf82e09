"""Studies for people: what they show in sentences, as plots, and as rows to take home."""
