"""Keep what was shown: write, read, normalise and preview demonstrations as LeRobotDataset v3.0."""
