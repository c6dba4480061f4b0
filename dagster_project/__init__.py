"""The graph: which asset, after which, when, behind which check. Thin: it calls `canonry`."""
