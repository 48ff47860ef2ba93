"""Where what active sessions must not lose is kept. `beluga_voice.session_store` says what a store does."""
