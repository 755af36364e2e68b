"""Pages that show finished runs: one HTML file each, without any network request."""
