"""A participant on the plain LiveKit SDK: the far side of a call, which shares no code with the near one."""
