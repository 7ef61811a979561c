"""Where questions come from. One file per source."""
