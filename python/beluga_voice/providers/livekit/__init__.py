"""Backend `livekit`: rooms of a LiveKit server, its own or in the cloud. Extra `[livekit]`."""
