"""What is asked in the household: words, motions, and the two worlds they meet in."""
