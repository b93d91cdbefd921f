"""Every morning: which nights are to be processed, and their engines, one after the other or several at a time."""
