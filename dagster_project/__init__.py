"""The graph: which asset, after which, when, behind which check. Thin: it calls `canonry`."""

import warnings

from dagster import BetaWarning

# Backfills as one run are marked beta; every page of log would open with it.
warnings.filterwarnings("ignore", category=BetaWarning)
