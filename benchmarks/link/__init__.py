"""The link: all that lies between a sender and a receiver, and the only place where symbols are counted."""
