"""Page about results: one HTML file, which needs no network and no script, for people who were not there."""
