"""Who is compared with whom, on which profiles, models and pairs."""
