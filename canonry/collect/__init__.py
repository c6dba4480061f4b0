"""The collect stage: events in `landing/` become typed, deduplicated days in `lake/`."""
