"""`media="sdk"`: the `livekit` package carries the room. Imported only where it is used."""
