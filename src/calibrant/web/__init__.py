"""What every page shares: layout, styles, scripts and the security policy."""
