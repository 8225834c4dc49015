"""SFT files in, Examples out, and a subset back as it came."""
