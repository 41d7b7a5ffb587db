"""Images that portals accept: a photo or a scan in, a file that meets every rule of a portal's schema out."""
